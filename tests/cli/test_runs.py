"""Existing runs: where their bundle is, what they can be resumed with, and output into closed pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click
import pytest

from builders.runs import write_run
from tuner.cli import tuner
from tuner.ledger.extensions import as_entries, describe_result, extend
from tuner.ledger.run_directory import Ledger, read_run
from tuner.scoring.verdict import Requirement

Call = Callable[..., tuple[int, str, str]]
COLLAPSED = "label,prediction\n" + "a,a\n" * 30 + "b,a\n" * 12


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A finished run whose champion does not beat the baselines."""
    location = write_run(tmp_path, trials=20)
    manifest = json.loads((location / "manifest.json").read_text())
    (location / "manifest.json").write_text(json.dumps({**manifest, "verdict": "no_better_than_baseline"}))
    return location


def test_a_command_that_has_used_other_processes_leaves_nothing_to_warn_of() -> None:
    code = """if __name__ == "__main__":
        from tuner.__main__ import run_and_leave
        from tuner.search.calibration import calibrators
        with calibrators(1) as pool:
            pool.submit(int).result()
        run_and_leave()"""
    command = [sys.executable, "-c", code, "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.startswith("tuner, version")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("show made-up --runs {folder}", 0),
        ("show made-up --runs {folder} --all --format json", 0),
        ("resume made-up --runs {folder}", 0),
        ("resume made-up --runs {folder} --require beats_baselines", 3),
        ("diagnose {folder}/preds.csv --fail-on-collapse", 4),
        ("show nothing", 2),
    ],
)
def test_a_closed_pipe_changes_neither_exit_code_nor_stderr(
    arguments: str, code: int, location: Path, tmp_path: Path
) -> None:
    (tmp_path / "preds.csv").write_text(COLLAPSED)
    command = [sys.executable, "-m", "tuner", *arguments.format(folder=tmp_path).split()]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        piped = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
        both = subprocess.run(command, stdout=writer, stderr=writer, timeout=120)
    finally:
        os.close(writer)
    assert (piped.returncode, both.returncode) == (code, code)
    assert "Traceback" not in piped.stderr
    assert "Exception ignored" not in piped.stderr
    assert "roken pipe" not in piped.stderr


def test_the_bundle_of_a_moved_run_is_shown_at_its_new_place(
    location: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    location.rename(tmp_path / "moved")
    assert "bundle: ./moved/champion\n" in call("show", "moved", "--runs", ".")[1]
    monkeypatch.chdir("/")
    for given in (tmp_path / "moved", f"{tmp_path}/moved/", (tmp_path / "moved").as_uri()):
        champion = json.loads(call("show", str(given), "--format", "json")[1])["champion"]
        assert champion["bundle"].removeprefix("file://") == f"{tmp_path}/moved/champion"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.time=-1", "--set search.time=-1: search.time: -1 is not a time above zero"),
        ("space.hidden=32", "space.hidden is 32, but the run began with 32 to 256 in steps of 32; change it back"),
    ],
)
def test_a_finished_run_refuses_the_same_settings_as_an_unfinished_one(
    setting: str, message: str, location: Path, call: Call
) -> None:
    code, out, err = call("resume", str(location), "--set", setting)
    assert (code, out) == (2, "")
    assert message in err


def test_resuming_a_finished_run_changes_nothing_and_says_how_to_search_longer(location: Path, call: Call) -> None:
    code, _, err = call("resume", str(location))
    assert code == 0
    assert "is finished: there is nothing to resume, and nothing has changed" in err
    assert f"search longer with `tuner resume {location} --set search.time=21m`" in err


def test_a_finished_run_refuses_a_budget_that_gives_it_nothing_more(location: Path, call: Call) -> None:
    before = (location / "manifest.json").read_bytes()
    code, out, err = call("resume", str(location), "--set", "search.time=10m", "--set", "resources.concurrent=1")
    assert (code, out) == (2, "")
    assert "search.time allows 10 min for the whole run, which has taken 10 min already" in err
    command = f"tuner resume {location} --set resources.concurrent=1 --set search.time=11m"
    assert f"the least that works: `{command}`" in err
    assert (location / "manifest.json").read_bytes() == before


def test_a_run_that_is_being_extended_says_so_and_shows_its_earlier_champion(location: Path, call: Call) -> None:
    run = read_run(location)
    extension = extend(run, ["search.time=1h"], at="2026-11-28T14:00:00+00:00", command=["tuner"])
    ledger = Ledger.reopen(location)
    ledger.go_on(space=run.space, environment=run.environment, extensions=as_entries([extension]))
    ledger.release()
    code, out, err = call("show", str(location))
    assert code == 0
    assert "note: the run is being extended, or this was cut off" in out
    assert "verdict: beats_baselines" in out
    assert "resume it with" in err
    shown = json.loads(call("show", str(location), "--format", "json")[1])
    assert shown["is_being_extended"]
    assert shown["extensions"][0]["earlier"]["verdict"] == "beats_baselines"
    assert "the run is being extended" in call("verify", str(location))[2]


def test_an_earlier_verdict_is_shown_beside_the_new_one_with_the_remedy(location: Path, call: Call) -> None:
    run = read_run(location)
    (location / "champion.json").write_text(
        json.dumps({**run.champion, "earlier": [describe_result(run)], "is_as_before": False})
    )
    out = call("show", str(location))[1]
    assert f"earlier: beats_baselines with trial {run.champion['parent']}, macro-F1 0." in out
    assert "after 20 trials in 10 min" in out
    assert "the test split had been seen when the search went on" in out
    assert f"`tuner evaluate {location} NEW_ROWS` or `tuner resume {location} --set data.judge=NEW_ROWS`" in out


@pytest.mark.parametrize(
    ("verdict", "requirement", "is_met"),
    [
        ("beats_baselines", "beats_baselines", True),
        ("beats_baselines", "better_than_constant", True),
        ("no_better_than_baseline", "beats_baselines", False),
        ("no_better_than_baseline", "better_than_constant", True),
        ("no_better_than_constant", "better_than_constant", False),
        ("a verdict that leaves it open", "better_than_constant", False),
    ],
)
def test_the_exit_code_is_3_only_if_the_verdict_misses_the_requirement(
    verdict: str, requirement: str, is_met: bool, location: Path, call: Call
) -> None:
    manifest = json.loads((location / "manifest.json").read_text())
    (location / "manifest.json").write_text(json.dumps({**manifest, "verdict": verdict}))
    assert call("resume", str(location))[0] == 0
    code, _, err = call("resume", str(location), "--require", requirement)
    assert code == (0 if is_met else 3)
    assert (f"--require {requirement} is not met: the verdict is {verdict}\n" in err) is not is_met


@pytest.mark.parametrize("command", ["run", "resume"])
def test_an_unknown_requirement_is_refused_before_anything_is_read(command: str, call: Call) -> None:
    code, out, err = call(command, "nothing-of-that-name", "--require", "beats_everything")
    assert (code, out) == (2, "")
    assert "'beats_everything' is not one of 'better_than_constant', 'beats_baselines'" in err


def test_require_offers_every_requirement() -> None:
    (parameter,) = [each for each in tuner.commands["run"].params if each.name == "require"]
    assert isinstance(parameter.type, click.Choice)
    assert tuple(parameter.type.choices) == get_args(Requirement)
