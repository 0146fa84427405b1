from __future__ import annotations

import numpy as np
import pytest

from tuner.scoring import resampling
from tuner.scoring.blocks import single_rows
from tuner.scoring.bootstrap import Interval, difference_of_runs, intervals
from tuner.scoring.f1 import macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.paired import paired_difference


def guesses(rows: int, accuracy: float, seed: int) -> tuple[Indicator, Indicator]:
    """Return decisions and truth of three classes with 60, 30 and 10 % of the rows; `accuracy` of the decisions are right."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, size=rows, p=[0.6, 0.3, 0.1])
    drawn = np.where(generator.random(rows) < accuracy, truth, generator.integers(0, 3, size=rows))
    return as_indicator(drawn, 3), as_indicator(truth, 3)


def test_the_value_is_computed_from_the_rows_themselves() -> None:
    decisions, truth = guesses(200, 0.7, seed=0)
    result = intervals(decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=0)
    assert result.macro_f1.value == pytest.approx(macro_f1(decisions, truth))
    measures = measure(decisions, truth, "multiclass")
    assert result.skill.value == pytest.approx(measures.skill)
    assert result.above_chance.value == pytest.approx(measures.above_chance)


def test_the_interval_covers_the_true_macro_f1_about_as_often_as_it_says() -> None:
    # the true one from a large sample
    expected = macro_f1(*guesses(400_000, 0.7, seed=0))
    result = [
        intervals(*guesses(300, 0.7, seed), "multiclass", blocks=single_rows(300), seed=0, samples=300).macro_f1
        for seed in range(1, 101)
    ]
    assert 88 <= sum(interval.low <= expected <= interval.high for interval in result) <= 100


def test_more_rows_give_a_narrower_interval() -> None:
    def width(interval: Interval) -> float:
        return interval.high - interval.low

    few, many = (
        intervals(*guesses(rows, 0.7, seed=1), "multiclass", blocks=single_rows(rows), seed=0).macro_f1
        for rows in (100, 1600)
    )
    assert width(many) == pytest.approx(width(few) / 4, rel=0.4)


def test_a_model_does_not_differ_from_itself() -> None:
    decisions, truth = guesses(100, 0.7, seed=2)
    result = paired_difference(decisions, decisions, truth, blocks=single_rows(len(truth)), seed=0)
    assert result == Interval(0.0, 0.0, 0.0)


def test_pairing_finds_a_difference_that_the_two_intervals_hide() -> None:
    worse, truth = guesses(300, 0.7, seed=3)
    better = worse.copy()
    wrong = np.flatnonzero((worse != truth).any(axis=1))[::4]
    better[wrong] = truth[wrong]
    apart = [
        intervals(decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=0).macro_f1
        for decisions in (better, worse)
    ]
    assert apart[0].low < apart[1].high
    assert paired_difference(better, worse, truth, blocks=single_rows(len(truth)), seed=0).low > 0


def test_six_perfect_rows_do_not_make_a_perfect_model_certain() -> None:
    truth = as_indicator(np.array([0, 0, 0, 1, 1, 1]), 2)
    result = intervals(truth, truth, "binary", blocks=single_rows(6), seed=0).macro_f1
    assert result.value == result.high == 1.0
    assert result.low < 0.8


def test_a_model_wrong_on_every_row_may_still_be_right_sometimes() -> None:
    truth = as_indicator(np.arange(20) % 2, 2)
    result = intervals(~truth, truth, "binary", blocks=single_rows(20), seed=0).macro_f1
    assert result.value == result.low == 0.0
    assert 0.02 < result.high < 0.4


@pytest.mark.parametrize("support", [0, 1, 2])
def test_a_label_with_few_true_rows_has_a_wide_interval(support: int) -> None:
    truth = as_indicator((np.arange(150) < support).astype(int), 2)
    result = intervals(truth, truth, "binary", blocks=single_rows(150), seed=0).macro_f1
    assert result.high == 1.0
    assert result.low < 0.5 + 0.45 * support / 2


def test_a_label_missing_from_training_too_does_not_widen_the_interval() -> None:
    truth = np.zeros((200, 2), dtype=bool)
    truth[::2, 0] = True
    known, unknown = (
        intervals(truth, truth, "multilabel", blocks=single_rows(200), seed=0, seen=np.array(seen)).macro_f1
        for seen in ([True, False], [True, True])
    )
    assert known.low > 0.9
    assert unknown.low < 0.6


def test_a_block_of_dependent_rows_counts_as_one_row() -> None:
    decisions, truth = guesses(60, 0.7, seed=1)
    alone = intervals(decisions, truth, "multiclass", blocks=single_rows(60), seed=0).macro_f1
    groups = np.repeat(np.arange(60), 10)
    grouped = intervals(decisions[groups], truth[groups], "multiclass", blocks=groups, seed=0).macro_f1
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), abs=0.03)


def test_the_same_seed_gives_the_same_intervals() -> None:
    decisions, truth = guesses(100, 0.7, seed=4)
    assert intervals(decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=5) == intervals(
        decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=5
    )


def test_drawing_in_chunks_gives_the_same_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    decisions, truth = guesses(100, 0.7, seed=6)
    whole = intervals(decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=0)
    monkeypatch.setattr(resampling, "WEIGHTS_AT_ONCE", 30_000)
    assert intervals(decisions, truth, "multiclass", blocks=single_rows(len(truth)), seed=0) == whole


def a_run(truth: Indicator, accuracy: float, seed: int) -> Indicator:
    """Return decisions of which at least `accuracy` are right; the others are drawn at random."""
    generator = np.random.default_rng(seed)
    drawn = np.where(
        generator.random(len(truth)) < accuracy, truth.argmax(axis=1), generator.integers(0, 3, len(truth))
    )
    return as_indicator(drawn, 3)


def test_variance_over_seeds_widens_a_difference() -> None:
    _, truth = guesses(200, 0.7, seed=0)
    runs, others = ([a_run(truth, accuracy, seed) for seed in range(3)] for accuracy in (0.8, 0.6))

    def width(variance: float, freedom: int) -> float:
        result = difference_of_runs(
            runs, others, truth, blocks=single_rows(len(truth)), seed_variance=variance, freedom=freedom, seed=3
        )
        assert result.value == pytest.approx(
            np.mean([macro_f1(run, truth) for run in runs]) - np.mean([macro_f1(run, truth) for run in others])
        )
        return result.high - result.low

    assert width(0.0, 4) == pytest.approx(width(0.0, 0))
    assert width(0.01, 4) > 1.5 * width(0.0, 4)
    assert width(0.01, 1) > width(0.01, 4)  # less is known about the variance


def test_a_difference_of_runs_covers_the_true_one_as_often_as_it_claims() -> None:
    """Both sides are the same model with different seeds, so the true difference is 0."""
    covered = 0
    for trial in range(60):
        _, truth = guesses(150, 0.7, seed=trial)
        runs = [a_run(truth, 0.7, 1000 * trial + seed) for seed in range(4)]
        scores = np.array([macro_f1(run, truth) for run in runs]).reshape(2, 2)
        result = difference_of_runs(
            runs[:2],
            runs[2:],
            truth,
            blocks=single_rows(len(truth)),
            seed_variance=float(scores.var(axis=1, ddof=1).mean()),
            freedom=2,
            seed=trial,
            samples=300,
        )
        covered += result.low <= 0 <= result.high
    assert covered >= 54
