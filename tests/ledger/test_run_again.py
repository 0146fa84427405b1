"""The command that searches again: the recorded one without the name, with settings in place of earlier ones."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.runs import write_run
from tuner.ledger.run_again import arguments_to_run_again, with_settings
from tuner.ledger.run_directory import Run, read_run
from tuner.space.load import shipped_spaces


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("runs"), trials=4))


def recorded(run: Run, *command: str, **more: Any) -> Run:
    return replace(run, environment={**run.environment, "command": list(command), **more})


def test_the_command_keeps_the_space_the_data_and_the_settings_but_not_the_name(run: Run) -> None:
    words = ("tuner", "run", "my space.yaml", "--data", "a.csv", "--set", "space.layers=2", "--name", "first")
    assert arguments_to_run_again(recorded(run, *words)) == words[:-2]


def test_an_option_may_be_written_with_an_equals_sign(run: Run) -> None:
    arguments = arguments_to_run_again(recorded(run, "tuner", "run", "binary", "--name=first", "--set=search.time=5m"))
    assert arguments == ("tuner", "run", "binary", "--set", "search.time=5m")


def test_settings_of_a_resumed_run_are_added(run: Run) -> None:
    resumed = [{"command": ["tuner", "resume", "runs/first", "--set", "search.time=20m"]}]
    arguments = arguments_to_run_again(recorded(run, "tuner", "run", "binary", resumed=resumed))
    assert arguments == ("tuner", "run", "binary", "--set", "search.time=20m")


def test_of_settings_that_were_changed_again_and_again_the_latest_counts(run: Run) -> None:
    resumed = [
        {"command": ["tuner", "resume", "runs/first", "--set", f"search.trials={count}", "--set", "data.judge=may.csv"]}
        for count in (5, 12)
    ]
    begun = ("tuner", "run", "binary", "--set", "search.trials=3", "--set", "space.layers=2")
    assert arguments_to_run_again(recorded(run, *begun, resumed=resumed)) == (
        "tuner", "run", "binary", "--set", "space.layers=2", "--set", "search.trials=12", "--set", "data.judge=may.csv",
    )  # fmt: skip


def test_a_setting_takes_the_place_of_earlier_ones_of_the_same_key(run: Run) -> None:
    begun = ("tuner", "run", "a b.yaml", "--set", "space.learning_rate.low=1e-5", "--set", "space.layers=2")
    command = with_settings(begun, ["space.learning_rate={low: 1e-4, high: 1e-2, scale: log}"])
    assert shlex.split(command) == [
        "tuner", "run", "a b.yaml", "--set", "space.layers=2",
        "--set", "space.learning_rate={low: 1e-4, high: 1e-2, scale: log}",
    ]  # fmt: skip


def test_of_a_run_that_a_script_began_only_the_space_is_known(run: Run) -> None:
    scripted = recorded(run, "/usr/bin/pytest", "-x", space=str(shipped_spaces()["binary"]))
    assert arguments_to_run_again(scripted) == ("tuner", "run", "binary")
    assert arguments_to_run_again(recorded(run, "x", space="/tmp/my.yaml")) == ("tuner", "run", "/tmp/my.yaml")


def test_the_command_of_a_run_without_any_record_names_a_placeholder(tmp_path: Path, run: Run) -> None:
    assert arguments_to_run_again(replace(run, environment={})) == ("tuner", "run", "SPACE")


def test_a_flag_takes_no_value_so_the_setting_after_it_is_replaced() -> None:
    words = ("tuner", "run", "a.yaml", "--debug", "--set", "space.layers=2")
    assert with_settings(words, ["space.layers=1"]) == "tuner run a.yaml --debug --set space.layers=1"


def test_the_flag_that_resumes_goes_with_the_name(run: Run) -> None:
    words = ("tuner", "run", "a.yaml", "--resume-or-start", "--name", "first", "--set", "space.layers=2")
    assert arguments_to_run_again(recorded(run, *words)) == ("tuner", "run", "a.yaml", "--set", "space.layers=2")
