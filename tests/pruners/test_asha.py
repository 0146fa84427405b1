"""ASHA's rungs, on their own and beside Ray's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from experiments.curves.table import read_curves
from tuner.pruners.asha import Rungs, rung_epochs, rung_examples

CURVES = read_curves(Path(__file__).parents[1] / "curves" / "gate_curves.parquet")
EPOCH = 1000  # examples
Event = tuple[int, int, float]  # a trial, the examples that it has seen, its score


def make_rungs(*, first: int = EPOCH, budget: int = 27 * EPOCH, reduction_factor: float = 3) -> Rungs:
    levels = rung_epochs(grace_epochs=first, reduction_factor=reduction_factor, max_epochs=budget)
    return Rungs(levels, reduction_factor=reduction_factor)


def decided_by_rungs(events: Iterable[Event], **shape: Any) -> list[bool]:
    """Whether each measurement lets its trial go on. A stopped trial has no more measurements."""
    rungs, stopped, decisions = make_rungs(**shape), set(), []
    for trial, examples, score in events:
        if trial not in stopped:
            decisions.append(rungs.goes_on(trial, examples, score))
            if not decisions[-1]:
                stopped.add(trial)
    return decisions


def decided_by_ray(
    events: Iterable[Event], *, first: int = EPOCH, budget: int = 27 * EPOCH, reduction_factor: float = 3
) -> list[bool]:
    class RayTrial:
        def __init__(self, trial_id: str) -> None:
            self.trial_id = trial_id

    scheduler = AsyncHyperBandScheduler(
        time_attr="examples", metric="score", mode="max", grace_period=first, max_t=budget, reduction_factor=reduction_factor
    )  # fmt: skip
    trials: dict[int, RayTrial] = {}
    stopped, decisions = set(), []
    for index, examples, score in events:
        if index not in trials:
            trials[index] = RayTrial(str(index))
            scheduler.on_trial_add(None, trials[index])
        if index not in stopped:
            result = {"examples": examples, "score": score}
            decisions.append(scheduler.on_trial_result(None, trials[index], result) == "CONTINUE")
            if not decisions[-1]:
                stopped.add(index)
    return decisions


def test_a_score_strictly_below_the_quantile_of_earlier_scores_ends_a_trial() -> None:
    rungs = make_rungs()
    assert [rungs.goes_on(trial, EPOCH, score) for trial, score in enumerate((0.3, 0.3, 0.2, 0.4, 0.3))] == [
        True,
        True,
        False,
        True,
        True,  # the two thirds quantile of 0.2, 0.3, 0.3, 0.4 is 0.3
    ]


def test_only_the_measurement_that_reaches_a_rung_enters_it() -> None:
    rungs = make_rungs()
    for examples, score in ((500, 0.1), (1500, 0.2), (2000, 0.3), (2500, 0.4), (3000, 0.5), (4000, 0.6)):
        rungs.goes_on(0, examples, score)
    assert rungs.scores == {1000: [0.2], 3000: [0.5], 9000: []}


def test_a_trial_that_passes_a_rung_while_watched_adds_no_later_score_to_it() -> None:
    rungs = make_rungs()
    for epoch in (1, 2):
        assert rungs.goes_on(0, epoch * EPOCH, None)
    for epoch in (3, 4, 5):
        assert rungs.goes_on(0, epoch * EPOCH, epoch / 10)
    assert rungs.scores == {1000: [], 3000: [0.3], 9000: []}


def test_a_measurement_that_reaches_two_rungs_at_once_enters_the_later_one() -> None:
    rungs = make_rungs()
    rungs.goes_on(0, 3500, 0.3)
    rungs.goes_on(0, 4000, 0.4)
    assert rungs.scores == {1000: [], 3000: [0.3], 9000: []}


def test_a_restarted_trial_is_not_judged_twice_at_a_rung() -> None:
    rungs = make_rungs()
    rungs.goes_on(0, 1000, 0.5)
    assert rungs.goes_on(0, 1000, 0.1)
    assert rungs.scores[1000] == [0.5]


@pytest.mark.parametrize("set_name", ["davidson_hate", "goemotions", "nlupp_1000", "japanese_vowels"])
@pytest.mark.parametrize("slots", [1, 2, 7])
@pytest.mark.parametrize(("first", "reduction_factor"), [(1, 3), (1, 2), (1, 4), (2, 2)])
def test_without_watched_trials_decisions_on_recorded_searches_are_rays(
    set_name: str, slots: int, first: int, reduction_factor: float
) -> None:
    curves = [curve for curve in CURVES if curve.set_name == set_name]
    finite = [curve for curve in curves if all(math.isfinite(signs.score) for signs in curve.signs)]
    events = []
    for start in range(0, len(finite), slots):  # this many trials run side by side
        crew = finite[start : start + slots]
        for place in range(max(len(curve.signs) for curve in crew)):
            for curve in crew:
                if place < len(curve.signs) - 1:  # the last measurement is at the budget, where Ray ends every trial
                    signs = curve.signs[place]
                    events.append((curve.index, round(signs.epochs * EPOCH), signs.score))
    shape = {
        "first": first * EPOCH,
        "budget": round(finite[0].max_epochs * EPOCH),
        "reduction_factor": reduction_factor,
    }
    decisions = decided_by_rungs(events, **shape)
    assert decisions == decided_by_ray(events, **shape)
    assert not all(decisions)


@given(
    scores=st.lists(st.lists(st.floats(-1, 1, width=16), min_size=26, max_size=26), min_size=1, max_size=25),
    order=st.randoms(use_true_random=False),
    reduction_factor=st.sampled_from([1.5, 2.0, 3.0, 4.0, 10.0]),
)
def test_decisions_on_any_stream_of_measurements_are_rays(
    scores: list[list[float]], order: Any, reduction_factor: float
) -> None:
    turns = [trial for trial, curve in enumerate(scores) for _ in curve]
    order.shuffle(turns)
    reached = dict.fromkeys(range(len(scores)), 0)
    events = []
    for trial in turns:
        reached[trial] += 1
        events.append((trial, reached[trial] * EPOCH, scores[trial][reached[trial] - 1]))
    shape = {"reduction_factor": reduction_factor}
    assert decided_by_rungs(events, **shape) == decided_by_ray(events, **shape)


@given(
    rows=st.integers(1, 20_000),
    reports_per_epoch=st.sampled_from([1, 2, 4]),
    grace_reports=st.integers(1, 20),
    reduction_factor=st.sampled_from([2, 3, 4]),
)
def test_a_rung_in_examples_is_where_a_measurement_is_due(
    rows: int, reports_per_epoch: int, grace_reports: int, reduction_factor: int
) -> None:
    levels = rung_examples(
        grace_epochs=grace_reports / reports_per_epoch, reduction_factor=reduction_factor, max_epochs=200, rows=rows
    )
    for place, level in enumerate(levels):
        number = grace_reports * reduction_factor**place
        assert level == round(number * rows / reports_per_epoch)
