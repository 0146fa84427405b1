"""Figures of health are judged in words, against the bounds of the causes."""

from __future__ import annotations

import math

import pytest

from tuner.diagnosis.causes.health import judge_health
from tuner.diagnosis.causes.optimisation import CLIPPED, DEAD, LOST_GRADIENT, SATURATED
from tuner.diagnosis.causes.rows import UNKNOWN


@pytest.mark.parametrize(
    ("name", "good", "bad", "word"),
    [
        ("train_score", 0.01, 0.0, "low"),
        ("gradient_norm", CLIPPED - 1, CLIPPED, "high"),
        ("gradient_ratio", 2 * LOST_GRADIENT, LOST_GRADIENT, "low"),
        ("gate_saturation", SATURATED - 0.01, SATURATED, "high"),
        ("dead_units", DEAD - 0.01, DEAD, "high"),
        ("unknown_share", UNKNOWN - 0.01, UNKNOWN, "high"),
    ],
)
def test_a_figure_is_good_on_one_side_of_its_bound(name: str, good: float, bad: float, word: str) -> None:
    (figure,) = judge_health({name: good})
    assert figure.judgement.startswith("good: ")
    (figure,) = judge_health({name: bad})
    assert figure.judgement.startswith(f"{word}: at ")
    assert ", so " in figure.judgement


def test_clipping_is_judged_by_the_norm() -> None:
    assert judge_health({"clip_rate": 1.0, "gradient_norm": 2.0})[-1].judgement.startswith("good: ")
    assert judge_health({"clip_rate": 1.0, "gradient_norm": CLIPPED})[-1].judgement.startswith("high: ")


def test_unknown_figures_are_left_out() -> None:
    assert judge_health({"clip_rate": None, "dead_units": math.nan, "probability_spread": 0.1}) == []
