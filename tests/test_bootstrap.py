from __future__ import annotations

import numpy as np
import pytest

from tuner.scoring import bootstrap
from tuner.scoring.bootstrap import Interval, intervals, paired_difference
from tuner.scoring.f1 import Indicator, as_indicator, macro_f1, skill


def guesses(rows: int, accuracy: float, seed: int) -> tuple[Indicator, Indicator]:
    """Three classes of 60, 30 and 10 %, and decisions that are right as often as said."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, size=rows, p=[0.6, 0.3, 0.1])
    drawn = np.where(generator.random(rows) < accuracy, truth, generator.integers(0, 3, size=rows))
    return as_indicator(drawn, 3), as_indicator(truth, 3)


def test_the_value_is_that_of_the_rows_themselves() -> None:
    decisions, truth = guesses(200, 0.7, seed=0)
    found = intervals(decisions, truth, "multiclass", seed=0)
    assert found.macro_f1.value == pytest.approx(macro_f1(decisions, truth))
    assert found.skill.value == pytest.approx(skill(decisions, truth, "multiclass"))


def test_the_interval_covers_the_true_macro_f1_about_as_often_as_it_says() -> None:
    # the true one from a large sample
    expected = macro_f1(*guesses(400_000, 0.7, seed=0))
    found = [intervals(*guesses(300, 0.7, seed), "multiclass", seed=0, samples=300).macro_f1 for seed in range(1, 101)]
    assert 88 <= sum(interval.low <= expected <= interval.high for interval in found) <= 100


def test_more_rows_give_a_narrower_interval() -> None:
    def width(interval: Interval) -> float:
        return interval.high - interval.low

    few, many = (intervals(*guesses(rows, 0.7, seed=1), "multiclass", seed=0).macro_f1 for rows in (100, 1600))
    assert width(many) == pytest.approx(width(few) / 4, rel=0.4)


def test_a_model_against_itself_differs_by_nothing() -> None:
    decisions, truth = guesses(100, 0.7, seed=2)
    assert paired_difference(decisions, decisions, truth, seed=0) == Interval(0.0, 0.0, 0.0)


def test_pairing_finds_a_difference_that_the_two_intervals_hide() -> None:
    worse, truth = guesses(300, 0.7, seed=3)
    better = worse.copy()
    wrong = np.flatnonzero((worse != truth).any(axis=1))[::4]
    better[wrong] = truth[wrong]
    apart = [intervals(decisions, truth, "multiclass", seed=0).macro_f1 for decisions in (better, worse)]
    assert apart[0].low < apart[1].high
    assert paired_difference(better, worse, truth, seed=0).low > 0


def test_a_label_of_one_row_is_left_out_of_resamples_without_it() -> None:
    # right on every row: any resample has macro-F1 1, unless the label that it lacks counted as 0
    truth = np.zeros((50, 2), dtype=bool)
    truth[0, 0], truth[:, 1] = True, True
    assert intervals(truth, truth, "multilabel", seed=0).macro_f1 == Interval(1.0, 1.0, 1.0)


def test_intervals_are_the_same_every_time_for_a_seed() -> None:
    decisions, truth = guesses(100, 0.7, seed=4)
    assert intervals(decisions, truth, "multiclass", seed=5) == intervals(decisions, truth, "multiclass", seed=5)


def test_resamples_drawn_in_several_chunks_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    decisions, truth = guesses(100, 0.7, seed=6)
    whole = intervals(decisions, truth, "multiclass", seed=0)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 30_000)
    assert intervals(decisions, truth, "multiclass", seed=0) == whole
