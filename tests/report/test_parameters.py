"""Figures of hyperparameters: parallel coordinates, intervals of means, and where the rungs stand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from builders.trial_facts import sampled_configurations, scored_trials, trial_facts
from tuner.pruners.asha import rung_epochs
from tuner.report.coordinates import parallel_coordinates
from tuner.report.sections.parameters import FEWEST_OF_A_SETTING, comparable_settings, mean_interval


def test_a_parameter_that_is_not_in_force_has_a_place_below_its_axis() -> None:
    trials = scored_trials(sampled_configurations(), lambda c: c["dropout"])[:60]
    plot = parallel_coordinates(trials, ["dropout", "clipping.norm.threshold"], frozenset())
    absent = sum("clipping.norm.threshold" not in trial.configuration for trial in trials)
    placed = [(x, y) for trace in plot.data for x, y in zip(trace["x"], trace["y"], strict=True) if x is not None]
    assert sum(x == 1 and y < 0 for x, y in placed) == absent
    assert all(0 <= y <= 1 for x, y in placed if x != 1)


def test_the_interval_of_a_mean_is_students_t() -> None:
    scores = [0.2, 0.4, 0.45, 0.6]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(scores), scale=stats.sem(scores))
    assert mean_interval(scores) == pytest.approx((np.mean(scores), low, high))
    assert mean_interval([0.3]) == (0.3, 0.3, 0.3)


def test_settings_of_fewer_than_five_trials_are_not_compared() -> None:
    pooling = ["max"] * 6 + ["mean"] * 5 + ["last"] * 4
    trials = [trial_facts({"pooling": name}) for name in pooling]
    kept = comparable_settings("pooling", trials, is_log=False)
    assert [(setting.shown, len(setting.trials)) for setting in kept] == [("max", 6), ("mean", FEWEST_OF_A_SETTING)]
    assert comparable_settings("pooling", trials[:10], is_log=False) == ()


@pytest.mark.parametrize(
    ("grace", "factor", "budget"), [(1, 3, 9), (1, 3, 10), (0.5, 2, 8), (1, 4, 4), (2, 3, 2), (1, 10, 1000)]
)
def test_rungs_are_those_of_the_scheduler(grace: float, factor: float, budget: float) -> None:
    from ray.tune.schedulers import AsyncHyperBandScheduler

    rows = 1000
    scheduler = AsyncHyperBandScheduler(
        time_attr="examples",
        metric="score",
        mode="max",
        grace_period=round(grace * rows),
        max_t=round(budget * rows),
        reduction_factor=factor,
    )
    milestones = sorted(rung[0] / rows for rung in scheduler._brackets[0]._rungs)
    found = rung_epochs(grace_epochs=grace, reduction_factor=factor, max_epochs=budget)
    assert list(found) == pytest.approx([each for each in milestones if each < budget * (1 - 1e-9)])
