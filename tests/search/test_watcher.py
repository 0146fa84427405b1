"""What the user reads before there is a score."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from builders.measurements import make_measurement
from tuner.search.watcher import Snapshot, describe_wait, note_late_score
from tuner.space.search_settings import SearchSettings
from tuner.trial.order import Order, Stretch
from tuner.trial.record import TrialRecord


def make_record(index: int, stretch: Stretch | None) -> TrialRecord:
    return TrialRecord(Order(index, "search", {}, seed=0), heard_s=0.0, stretch=stretch)


def make_snapshot(*running: TrialRecord, left_s: float | None = 60, best: Any = None) -> Snapshot:
    return Snapshot(
        phase="search",
        elapsed_s=10,
        left_s=left_s,
        running=running,
        endings=Counter(),
        asked=2,
        limit=None,
        max_epochs=6,
        rows=4_000,
        best=best,
    )


def test_before_the_first_score_the_user_reads_how_far_the_first_trial_is() -> None:
    slow, fast = make_record(0, Stretch(400, 4.0, 36.0)), make_record(1, Stretch(1_200, 4.0, 9.3))
    assert describe_wait(make_snapshot(slow, fast)) == (
        "trial 1: epoch 0.3 of 6, 1,200 of 4,000 rows, first score in about 9 s"
    )


def test_nothing_is_said_before_a_trial_trains_or_once_one_has_a_score() -> None:
    assert describe_wait(make_snapshot(make_record(0, None))) is None
    scored = make_record(0, None)
    scored.add(make_measurement(0.5))
    assert describe_wait(make_snapshot(scored, make_record(1, Stretch(400, 4.0, 36.0)))) is None
    assert describe_wait(make_snapshot(make_record(1, Stretch(400, 4.0, 36.0)), best=scored)) is None


@pytest.mark.parametrize(
    ("seconds", "left_s", "is_late"),
    [(4.0, 60, True), (4.0, 100, False), (4.0, None, False), (1.0, 10, False)],
    ids=["half of the time is less", "it is enough", "no limit", "too early to tell"],
)
def test_a_first_score_after_half_of_the_time_is_noted(seconds: float, left_s: float | None, is_late: bool) -> None:
    trial = make_record(0, Stretch(400, seconds, 36.0))
    note = note_late_score(make_snapshot(trial, left_s=left_s), SearchSettings(time="70s"))
    assert (note is not None) == is_late
    if note is not None:
        assert "would come after 46 s, too late for search.time" in note
        assert note.endswith("--set search.time=5m")
