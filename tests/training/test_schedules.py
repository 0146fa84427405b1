"""Learning-rate schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.options import defaults_of
from tuner.space.build import builders_of
from tuner.training.schedules import Schedule, constant, cosine, linear, one_cycle, plateau, step, warm_up

SCHEDULES = builders_of("schedule")


@pytest.mark.parametrize(
    ("schedule", "start", "peak_at", "end"),
    [
        (constant(), 1.0, 0.5, 1.0),
        (warm_up(share=0.2), 1e-3, 0.2, 1.0),
        (linear(warm_up=0.0), 1.0, 0.0, 0.0),
        (linear(warm_up=0.2), 1e-3, 0.2, 0.0),
        (step(every=0.3, factor=0.5), 1.0, 0.29, 1 / 8),
        (cosine(warm_up=0.0), 1.0, 0.0, 0.0),
        (cosine(warm_up=0.2), 1e-3, 0.2, 0.0),
        (one_cycle(warm_up=0.3), 1 / 25, 0.3, 1 / 25_000),
    ],
)
def test_a_schedule_has_its_start_its_peak_and_its_end(
    schedule: Schedule, start: float, peak_at: float, end: float
) -> None:
    assert schedule.factor(0.0) == pytest.approx(start)
    assert schedule.factor(peak_at) == pytest.approx(1.0)
    assert schedule.factor(1.0) == pytest.approx(end, abs=1e-12)


@given(spent=st.floats(0, 1), share=st.floats(0.001, 0.999), factor=st.floats(0.001, 0.999))
def test_a_factor_is_never_negative_and_never_above_one(spent: float, share: float, factor: float) -> None:
    schedules = [
        constant(),
        warm_up(share=share),
        linear(warm_up=share),
        step(every=share, factor=factor),
        cosine(warm_up=share),
        one_cycle(warm_up=share),
        plateau(patience=1, factor=factor),
    ]
    assert len(schedules) == len(SCHEDULES)
    assert all(0 <= schedule.factor(spent) <= 1 for schedule in schedules)


@pytest.mark.parametrize("schedule", [linear(warm_up=0.4), cosine(warm_up=0.4), one_cycle(warm_up=0.4)])
def test_a_warm_up_only_rises_and_what_follows_only_falls(schedule: Schedule) -> None:
    factors = [schedule.factor(spent) for spent in np.linspace(0, 1, 101)]
    assert (np.diff(factors[:41]) > 0).all()
    assert (np.diff(factors[40:]) < 0).all()


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "plateau"])
def test_scores_do_not_move_a_schedule_that_is_a_curve(name: str) -> None:
    schedule = SCHEDULES[name](**defaults_of("schedule", name))
    before = schedule.factor(0.6)
    for score in (0.5, 0.4, 0.3, 0.2):
        schedule.observe(score)
    assert schedule.factor(0.6) == before


@pytest.mark.parametrize("shares", [3, 7, 10, 13])
def test_steps_come_at_every_whole_multiple_of_their_share(shares: int) -> None:
    schedule = step(every=1 / shares, factor=0.5)
    at = [schedule.factor(number / shares) for number in range(shares)]
    assert at == [0.5**number for number in range(shares)]


def test_a_plateau_falls_after_enough_measurements_in_a_row_without_a_better_score() -> None:
    schedule = plateau(patience=2, factor=0.5)
    factors = []
    for score in (0.1, 0.2, 0.2, 0.3, 0.1, 0.3, 0.3, 0.2, 0.4, 0.4):
        schedule.observe(score)
        factors.append(schedule.factor(0.5))
    assert factors == [1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_a_score_that_is_not_a_number_is_no_better_for_a_plateau() -> None:
    schedule = plateau(patience=1, factor=0.5)
    schedule.observe(0.2)
    schedule.observe(float("nan"))
    assert schedule.factor(0.0) == 0.5


def test_two_plateaus_do_not_share_what_they_remember() -> None:
    one, other = (SCHEDULES["plateau"](patience=1, factor=0.5) for _ in range(2))
    one.observe(0.2)
    one.observe(0.1)
    assert (one.factor(0.0), other.factor(0.0)) == (0.5, 1.0)
