from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.scoring.gate import GateSettings, Signs, is_collapsed, judge, logit_spread

SETTINGS = GateSettings()
HEALTHY = Signs(epochs=1.0, score=0.4, constant_penalty=0.1, skill=0.2, auc=0.8, logit_spread=1.0, is_finite=True)
COLLAPSED = replace(HEALTHY, score=-0.6, constant_penalty=1.0, skill=0.0, auc=0.5, logit_spread=0.0)
DIVERGED = replace(HEALTHY, is_finite=False)


def judged(*history: Signs) -> str:
    """The judgement of reports half an epoch apart, with a grace of one epoch."""
    dated = [replace(signs, epochs=(index + 1) / 2) for index, signs in enumerate(history)]
    return judge(dated, grace_epochs=1.0, settings=SETTINGS)


@pytest.mark.parametrize(
    ("history", "judgement"),
    [
        ([HEALTHY], "healthy"),
        ([COLLAPSED], "watched"),
        ([COLLAPSED, COLLAPSED], "collapsed"),
        ([COLLAPSED, HEALTHY], "healthy"),
        ([HEALTHY, COLLAPSED], "watched"),
        ([HEALTHY, HEALTHY, COLLAPSED], "watched"),
        ([HEALTHY, COLLAPSED, COLLAPSED], "collapsed"),
        ([COLLAPSED, HEALTHY, COLLAPSED], "watched"),
        ([DIVERGED], "diverged"),
        ([COLLAPSED, COLLAPSED, DIVERGED], "diverged"),
    ],
)
def test_a_trial_is_ended_for_two_signs_in_a_row_once_the_grace_is_over(history: list[Signs], judgement: str) -> None:
    assert judged(*history) == judgement


def test_a_first_report_at_the_grace_is_enough() -> None:
    assert judge([replace(COLLAPSED, epochs=1.0)], grace_epochs=1.0, settings=SETTINGS) == "collapsed"


def test_a_grace_reached_but_for_rounding_is_over() -> None:
    assert judge([replace(COLLAPSED, epochs=1 - 1e-12)], grace_epochs=1.0, settings=SETTINGS) == "collapsed"


@pytest.mark.parametrize("score", [float("nan"), float("-inf")])
def test_a_score_that_is_not_finite_has_diverged(score: float) -> None:
    assert judged(replace(HEALTHY, score=score)) == "diverged"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"constant_penalty": 0.5}, True),
        ({"constant_penalty": 0.49}, False),
        ({"skill": 0.0}, False),
        ({"skill": 0.0, "logit_spread": 0.019}, True),
        ({"skill": 0.0, "logit_spread": 0.02}, False),
        ({"logit_spread": 0.019}, False),
        ({"auc": 0.54, "logit_spread": 0.019}, True),
        ({"auc": 0.54, "logit_spread": 0.09}, False),
        ({"skill": 0.0, "auc": 0.54, "logit_spread": 0.09}, True),
        ({"skill": 0.0, "auc": 0.54, "logit_spread": 0.1}, False),
        ({"skill": 0.0, "auc": float("nan"), "logit_spread": 0.09}, False),
    ],
)
def test_collapse_is_a_matter_of_constancy_or_of_flat_outputs(change: dict[str, float], expected: bool) -> None:
    assert is_collapsed(replace(HEALTHY, **change), SETTINGS) is expected  # type: ignore[arg-type]


def test_the_logit_spread_is_the_median_over_columns() -> None:
    logits = np.array([[-1.0, -2.0, 0.0], [1.0, 2.0, 0.0]])
    assert logit_spread(1 / (1 + np.exp(-logits))) == pytest.approx(1.0)


def test_the_logit_spread_of_saturated_outputs_is_finite() -> None:
    assert np.isfinite(logit_spread(np.array([[0.0], [1.0]], dtype=np.float32)))
