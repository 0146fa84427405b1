"""What a run says about its failed trials and the nodes that they ran on."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.ledgers import create, trial_row
from tuner.analysis.failed_trials import count_by_node, describe_failures
from tuner.analysis.leaderboard import leaderboard
from tuner.ledger.run_directory import Run, read_run

ENDED_WELL = {"score": 0.5, "macro_f1": 0.5, "constant_penalty": 0.0, "skill": 0.1}


def make_run(folder: Path, *, failed: int, well: int) -> Run:
    ledger = create(folder / "run")
    for number in range(failed + well):
        row = dict(trial_row(number, "failed" if number < failed else "stopped"))
        row |= {"node": "bad", "gpu": "3", "reason": "ValueError: no"} if number < failed else {"node": "good"}
        ledger.add("trials", row | (ENDED_WELL if number >= failed else {}))
    ledger.finish({"status": "finished"})
    return read_run(folder / "run")


@pytest.mark.parametrize(
    ("failed", "well", "said"),
    [
        (1, 9, None),
        (3, 6, None),
        (2, 9, "2 of 11 trials failed, which is 18 %: 2 × ValueError: no"),
    ],
)
def test_more_than_a_tenth_of_failed_trials_is_said(failed: int, well: int, said: str | None, tmp_path: Path) -> None:
    assert describe_failures(make_run(tmp_path, failed=failed, well=well)) == said


def test_trials_are_counted_by_node_and_ending(tmp_path: Path) -> None:
    run = make_run(tmp_path, failed=2, well=1)
    assert count_by_node(run) == {"bad": {"failed": 2}, "good": {"stopped": 1}}
    assert [row["node"] for row in leaderboard(run)] == ["good"]
