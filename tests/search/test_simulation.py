"""A search that is played through without training: how many trials a time limit holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.search.plan import describe_excess
from tuner.search.simulation import Scene, foresee, least_seconds
from tuner.search.trial_cost import TrialCost
from tuner.space.search_settings import SearchSettings

COST = TrialCost(build_s=0.1, example_s=0.001, row_s=0.0001, load=1.0)
SCENE = Scene(
    search=SearchSettings(time="10m", max_epochs=9, grace_epochs=1, reports_per_epoch=1, finalists=2, seeds=2),
    costs=[COST],
    rows=1_000,
    validation_rows=1_000,
    slots=2,
    starting_s=8.0,
    baselines_s=12.0,
    closing_s=5.0,
    trials=None,
    finalists=2,
)


def test_a_search_holds_more_trials_with_more_time_slots_and_speed() -> None:
    middle = foresee(SCENE, 120).trials
    assert 10 < middle < 200
    assert foresee(SCENE, 240).trials > middle
    assert foresee(replace(SCENE, slots=4), 120).trials > middle
    assert foresee(replace(SCENE, costs=[replace(COST, example_s=0.005)]), 120).trials < middle
    assert foresee(replace(SCENE, baselines_s=60.0), 120).trials < middle


@pytest.mark.parametrize("limit_s", [40, 60, 120, 600])
def test_a_course_ends_within_its_limit(limit_s: int) -> None:
    course = foresee(SCENE, limit_s)
    assert course.total_s <= limit_s + 2
    assert course.finalists <= 2


def test_a_plan_says_if_the_run_would_end_late() -> None:
    course = foresee(SCENE, 600)
    assert describe_excess(SCENE, course) == []
    (sentence,) = describe_excess(SCENE, replace(course, total_s=680.0))
    assert "more than search.time allows, which is 10 min" in sentence


def test_the_number_of_trials_may_end_a_search_before_the_time() -> None:
    assert foresee(replace(SCENE, trials=7), 600).trials == 7
    assert foresee(replace(SCENE, trials=7), None).trials == 7


def test_a_long_search_goes_on_at_the_rate_of_its_first_thousand_trials() -> None:
    day, two = (foresee(SCENE, days * 86_400).trials for days in (1, 2))
    assert two == pytest.approx(2 * day, rel=0.05)


@pytest.mark.parametrize("example_s", [0.0001, 0.01, 1.0])
def test_the_least_time_is_just_enough_for_one_trial(example_s: float) -> None:
    scene = replace(SCENE, costs=[replace(COST, example_s=example_s)])
    least = least_seconds(scene)
    assert foresee(scene, least).trials
    assert foresee(scene, least).total_s <= least
    shorter = foresee(scene, 0.9 * least)
    assert not shorter.trials or shorter.total_s > 0.9 * least
