from __future__ import annotations

import numpy as np
import pytest

from tuner.scoring import bootstrap
from tuner.scoring.bootstrap import Interval, difference_of_runs, intervals, paired_difference
from tuner.scoring.f1 import Indicator, as_indicator, macro_f1
from tuner.scoring.measures import measure


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
    measures = measure(decisions, truth, "multiclass")
    assert found.skill.value == pytest.approx(measures.skill)
    assert found.above_chance.value == pytest.approx(measures.above_chance)


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


def a_run(truth: Indicator, accuracy: float, seed: int) -> Indicator:
    """Decisions that are right as often as said, otherwise drawn."""
    generator = np.random.default_rng(seed)
    drawn = np.where(
        generator.random(len(truth)) < accuracy, truth.argmax(axis=1), generator.integers(0, 3, len(truth))
    )
    return as_indicator(drawn, 3)


def test_the_difference_of_single_runs_is_the_paired_difference() -> None:
    _, truth = guesses(200, 0.7, seed=0)
    one, two = a_run(truth, 0.8, 1), a_run(truth, 0.6, 2)
    found = difference_of_runs([one], [two], truth, seed_variance=0.0, freedom=0, seed=3)
    expected = paired_difference(one, two, truth, seed=3)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-6
    )


def test_what_seeds_vary_by_widens_a_difference() -> None:
    _, truth = guesses(200, 0.7, seed=0)
    runs, others = ([a_run(truth, accuracy, seed) for seed in range(3)] for accuracy in (0.8, 0.6))

    def width(variance: float, freedom: int) -> float:
        found = difference_of_runs(runs, others, truth, seed_variance=variance, freedom=freedom, seed=3)
        assert found.value == pytest.approx(
            np.mean([macro_f1(run, truth) for run in runs]) - np.mean([macro_f1(run, truth) for run in others])
        )
        return found.high - found.low

    assert width(0.0, 4) == pytest.approx(width(0.0, 0))
    assert width(0.01, 4) > 1.5 * width(0.0, 4)
    assert width(0.01, 1) > width(0.01, 4)  # less is known of the variance


def test_a_difference_of_runs_covers_the_true_one_as_often_as_it_says() -> None:
    """Both sides are one model with other seeds, so that the true difference is 0."""
    covered = 0
    for trial in range(60):
        _, truth = guesses(150, 0.7, seed=trial)
        runs = [a_run(truth, 0.7, 1000 * trial + seed) for seed in range(4)]
        scores = np.array([macro_f1(run, truth) for run in runs]).reshape(2, 2)
        found = difference_of_runs(
            runs[:2],
            runs[2:],
            truth,
            seed_variance=float(scores.var(axis=1, ddof=1).mean()),
            freedom=2,
            seed=trial,
            samples=300,
        )
        covered += found.low <= 0 <= found.high
    assert covered >= 54
