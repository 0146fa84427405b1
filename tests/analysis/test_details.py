"""`tuner show --all`: what the page draws, as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from builders.runs import write_run
from tuner.cli import tuner


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), trials=60)


def show(location: Path, *options: str) -> str:
    done = CliRunner(catch_exceptions=False).invoke(tuner, ["show", str(location), *options])
    assert done.exit_code == 0
    return done.stdout


def test_without_all_there_are_no_details(location: Path) -> None:
    assert "evidence" not in json.loads(show(location, "--format", "json"))
    assert "what mattered" not in show(location)


def test_the_parameters_that_matter_by_construction_come_first(location: Path) -> None:
    evidence = json.loads(show(location, "--all", "--format", "json"))["evidence"]
    ranked = sorted(evidence["importance"], key=lambda row: -row["share of variance"])
    assert {row["parameter"] for row in ranked[:2]} == {"learning_rate", "clipping"}
    assert evidence["collapse"][0]["collapsed"] > 0
    assert [row["share"] for row in evidence["collapse"]] == sorted(
        (row["share"] for row in evidence["collapse"]), reverse=True
    )
    assert evidence["data"][0].startswith("train: ")


def test_as_text_every_part_has_its_title(location: Path) -> None:
    text = show(location, "--all")
    for title in (
        "what mattered",
        "where trials collapsed",
        "most wrong test rows",
        "the data",
    ):
        assert title in text
