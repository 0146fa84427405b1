"""Sentences about what a run had reached before it was given more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.runs import write_run
from tuner.analysis.earlier_results import describe_earlier, describe_freshness, list_earlier
from tuner.ledger.run_directory import Run, read_run

RESULT: dict[str, Any] = {
    "verdict": "beats_baselines",
    "parent": 3,
    "trials": 1200,
    "seconds": 600.0,
    "test": {"macro_f1": 0.7123, "macro_f1_ci": [0.65, 0.77]},
}


def test_an_earlier_result_has_its_verdict_champion_measures_and_budget() -> None:
    assert describe_earlier(RESULT) == (
        "beats_baselines with trial 3, macro-F1 0.712 (0.650 to 0.770) on test, after 1,200 trials in 10 min"
    )
    judged = {**RESULT, "trials": 1, "judge": {"macro_f1": 0.6, "macro_f1_ci": [0.5, 0.7]}}
    assert describe_earlier(judged).endswith("macro-F1 0.600 (0.500 to 0.700) on judge, after 1 trial in 10 min")


def test_the_latest_earlier_results_fit_in_a_line() -> None:
    assert list_earlier([RESULT]) == "beats baselines, 0.712 after 1,200 trials"
    assert list_earlier([RESULT] * 5).startswith("2 more; beats baselines, 0.712 after")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(write_run(tmp_path, trials=5))


@pytest.mark.parametrize(
    ("champion", "sentence"),
    [
        ({}, None),
        ({"earlier": [RESULT], "is_as_before": True}, "the champion is as before the search went on"),
        ({"earlier": [RESULT]}, "results on test may be too good; judge it on fresh rows, with `tuner evaluate "),
        ({"earlier": [RESULT], "judge": {"sha256": "5"}}, "may be too good; those on the judge rows are not"),
        (
            {"earlier": [{**RESULT, "judge": {"sha256": "5"}}], "judge": {"sha256": "5"}},
            "may be too good; judge it on fresh rows",
        ),
    ],
)
def test_results_on_rows_that_were_seen_before_are_said_to_be_so(
    champion: dict[str, Any], sentence: str | None, run: Run
) -> None:
    said = describe_freshness(replace(run, champion={**run.champion, **champion}))
    assert said is None if sentence is None else sentence in str(said)
