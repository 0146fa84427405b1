"""The verdict on a champion, and the sentence that says why."""

from __future__ import annotations

import math

import pytest

from tuner.scoring.bootstrap import Interval, Intervals
from tuner.scoring.signal import Signal
from tuner.scoring.verdict import explain, reach_verdict

GOOD, POOR, OPEN = Interval(0.1, 0.05, 0.15), Interval(-0.1, -0.15, -0.05), Interval(0.01, -0.01, 0.03)


def measured(skill: Interval = GOOD, above_chance: Interval = GOOD) -> Intervals:
    return Intervals(macro_f1=Interval(0.5, 0.45, 0.55), skill=skill, above_chance=above_chance)


@pytest.mark.parametrize(
    ("skill", "above_chance", "baseline", "expected"),
    [
        (GOOD, GOOD, GOOD, "beats_baselines"),
        (GOOD, GOOD, OPEN, "no_better_than_baseline"),
        (GOOD, GOOD, POOR, "no_better_than_baseline"),
        (OPEN, GOOD, GOOD, "no_better_than_constant"),
        (
            GOOD,
            OPEN,
            GOOD,
            "no_better_than_constant",
        ),  # like a guess: better than the majority class, but knows nothing
        (POOR, POOR, POOR, "no_better_than_constant"),
        (Interval(0.1, 0.0, 0.2), GOOD, GOOD, "no_better_than_constant"),
        (Interval(math.nan, math.nan, math.nan), GOOD, GOOD, "no_better_than_constant"),
    ],
)
def test_the_verdict_needs_a_whole_interval_above(
    skill: Interval, above_chance: Interval, baseline: Interval, expected: str
) -> None:
    assert reach_verdict(measured(skill, above_chance), {"linear": GOOD, "other": baseline}) == expected


SEEN = Signal(answer="signal", sentence="somebody sees it", advice="search longer")
NONE = Signal(answer="none found", sentence="nobody sees it", advice="look at the labels")


def explained(intervals: Intervals, linear: Interval, signal: Signal = SEEN, too_few: str | None = None) -> str:
    return explain(
        intervals,
        {"all positive": GOOD, "linear": linear},
        constant="every label on every row",
        best_model="linear",
        signal=signal,
        too_few=too_few,
    )


def test_a_win_names_the_nearest_baseline() -> None:
    assert explained(measured(), Interval(0.06, 0.02, 0.09)) == (
        "on test the champion has macro-F1 0.500, +0.060 (95 %: +0.020 to +0.090) above the best baseline, linear"
    )


def test_an_open_difference_is_called_open() -> None:
    reason = explained(measured(), OPEN)
    assert "linear by +0.010 (95 %: -0.010 to +0.030)" in reason
    assert "do not show which of them is better" in reason


def test_a_better_baseline_is_named() -> None:
    assert "So linear is better" in explained(measured(), POOR)


def test_the_reason_ends_with_the_signal_and_its_advice() -> None:
    reason = explained(measured(skill=OPEN), OPEN, NONE)
    assert "answering every label on every row has 0.490: a difference of +0.010" in reason
    assert reason.endswith("linear has 0.490. Nobody sees it; look at the labels")


def test_if_a_linear_model_is_better_the_advice_is_to_search_on() -> None:
    assert explained(measured(skill=POOR), POOR).endswith("linear has 0.600. Somebody sees it; search longer")


def test_a_champion_that_only_beats_the_majority_is_measured_against_chance() -> None:
    reason = explained(measured(above_chance=OPEN), GOOD)
    assert "the same answers given to random rows have 0.490" in reason


def test_too_few_rows_to_judge_a_label_are_given_as_the_reason() -> None:
    reason = explained(measured(OPEN, OPEN), OPEN, too_few="150 rows are too few to judge 'spam'")
    assert "So these rows do not show which is better: 150 rows are too few to judge 'spam'" in reason
    assert "too few" not in explained(measured(POOR, POOR), POOR, too_few="150 rows are too few to judge 'spam'")
