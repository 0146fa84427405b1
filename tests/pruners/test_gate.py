from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.pruners.gate import (
    GateSettings,
    Grace,
    Health,
    Signs,
    grace_of,
    health_of,
    is_collapsed,
    judge,
    logit_spread,
    merit,
    sign_of,
)

SETTINGS = GateSettings()
GRACE = Grace(epochs=1.0, alone_epochs=1.0)
HEALTHY = Signs(epochs=1.0, score=0.4, constant_penalty=0.1, skill=0.2, auc=0.8, logit_spread=1.0, is_finite=True)
COLLAPSED = replace(HEALTHY, score=-0.6, constant_penalty=1.0, skill=0.0, auc=0.5, logit_spread=0.0)
DOUBTFUL = replace(HEALTHY, skill=0.0, auc=0.5)
DIVERGED = replace(HEALTHY, is_finite=False)


def judged(*history: Signs) -> str:
    """The judgement of measurements half an epoch apart, with a grace of one epoch."""
    dated = [replace(signs, epochs=(index + 1) / 2) for index, signs in enumerate(history)]
    return judge(dated, grace=GRACE, settings=SETTINGS)


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
def test_two_signs_in_a_row_end_a_trial_once_the_grace_is_over(history: list[Signs], judgement: str) -> None:
    assert judged(*history) == judgement


def test_a_first_measurement_at_the_grace_is_enough() -> None:
    assert judge([replace(COLLAPSED, epochs=1.0)], grace=GRACE, settings=SETTINGS) == "collapsed"


def test_a_first_measurement_before_alone_epochs_is_watched_and_a_second_one_ends_the_trial() -> None:
    grace = Grace(epochs=1.0, alone_epochs=2.0)
    first, second = replace(COLLAPSED, epochs=1.0), replace(COLLAPSED, epochs=1.5)
    assert judge([first], grace=grace, settings=SETTINGS) == "watched"
    assert judge([first, second], grace=grace, settings=SETTINGS) == "collapsed"
    assert judge([replace(first, epochs=2.0)], grace=grace, settings=SETTINGS) == "collapsed"


@pytest.mark.parametrize(
    ("rows", "max_epochs", "epochs", "alone_epochs"),
    [
        (8000, 6, 1.0, 1.0),  # an epoch is enough
        (2000, 16, 2.5, 2.5),  # 5,000 examples
        (700, 9, 2.7, 5000 / 700),  # three tenths of the budget come first
        (50, 30, 9.0, 100.0),
        (50, 2, 1.0, 100.0),  # the grace of the space is never shortened
    ],
)
def test_the_grace_lasts_for_enough_examples_or_three_tenths_of_the_budget(
    rows: int, max_epochs: float, epochs: float, alone_epochs: float
) -> None:
    grace = grace_of(grace_epochs=1.0, max_epochs=max_epochs, rows=rows, settings=SETTINGS)
    assert (grace.epochs, grace.alone_epochs) == pytest.approx((epochs, alone_epochs))


def test_a_slow_starter_on_700_rows_survives_its_first_measurement() -> None:
    """A one-cycle schedule on 700 rows with three labels, one always true: 11 steps an epoch, flat until the third."""
    grace = grace_of(grace_epochs=1, max_epochs=9, rows=700, settings=SETTINGS)
    flat = replace(HEALTHY, score=0.52, constant_penalty=0.0, skill=-0.04, auc=0.48, logit_spread=0.004)
    history = [
        replace(flat, epochs=1.0),
        replace(flat, epochs=2.0, auc=0.56, logit_spread=0.009),
        replace(HEALTHY, epochs=3.0),
    ]
    judgements = [judge(history[:number], grace=grace, settings=SETTINGS) for number in (1, 2, 3)]
    assert judgements == ["watched", "watched", "healthy"]


def test_a_grace_that_only_rounding_misses_is_over() -> None:
    assert judge([replace(COLLAPSED, epochs=1 - 1e-12)], grace=GRACE, settings=SETTINGS) == "collapsed"


@pytest.mark.parametrize("score", [float("nan"), float("-inf")])
def test_a_score_that_is_not_finite_has_diverged(score: float) -> None:
    assert judged(replace(HEALTHY, score=score)) == "diverged"


@pytest.mark.parametrize("flaw", [{"auc": 0.5, "skill": 0.0}, {"constant_penalty": 1.0}])
def test_a_doubtful_first_measurement_is_watched_and_a_second_one_ends_the_trial(flaw: dict[str, float]) -> None:
    first = replace(HEALTHY, **flaw)  # type: ignore[arg-type]
    assert judge([first], grace=GRACE, settings=SETTINGS) == "watched"
    assert judged(first, first) == "collapsed"


@pytest.mark.parametrize(
    ("later", "judgement"),
    [
        ({}, "collapsed"),
        ({"auc": 0.48}, "collapsed"),
        ({"auc": 0.513}, "collapsed"),
        ({"auc": 0.516}, "watched"),
        ({"logit_spread": 0.9}, "collapsed"),
        ({"logit_spread": 1.1}, "watched"),
    ],
)
@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_a_trial_that_improves_gets_another_measurement(later: dict[str, float], judgement: str, spread: float) -> None:
    first = replace(DOUBTFUL, logit_spread=spread)
    change = {name: value * (2 * spread if name == "logit_spread" else 1) for name, value in later.items()}
    assert judged(first, replace(first, **change)) == judgement  # type: ignore[arg-type]


def test_a_constant_trial_ends_even_if_it_improves() -> None:
    assert judged(replace(COLLAPSED, auc=0.45), replace(COLLAPSED, auc=0.54)) == "collapsed"


def test_a_constant_trial_that_ranks_better_and_better_goes_on() -> None:
    ranking = replace(COLLAPSED, logit_spread=0.06)
    assert judged(replace(ranking, auc=0.72), replace(ranking, auc=0.75), replace(ranking, auc=0.78)) == "watched"
    assert judged(replace(ranking, auc=0.72), replace(ranking, auc=0.75), replace(ranking, auc=0.75)) == "collapsed"


@pytest.mark.parametrize(("auc", "judgement"), [(0.46, "collapsed"), (0.48, "watched")])
def test_a_ranking_worse_than_chance_that_only_nears_chance_has_not_improved(auc: float, judgement: str) -> None:
    assert judged(replace(DOUBTFUL, auc=0.4), replace(DOUBTFUL, auc=auc)) == judgement


@pytest.mark.parametrize(("grown", "judgement"), [(0.009, "collapsed"), (0.013, "watched")])
def test_a_flat_constant_trial_that_ranks_better_must_grow_its_spread_too(grown: float, judgement: str) -> None:
    first = replace(COLLAPSED, auc=0.72, logit_spread=0.006)
    assert judged(HEALTHY, first, replace(first, auc=0.75, logit_spread=grown)) == judgement


@pytest.mark.parametrize("spread", [0.05, 2.0])
def test_the_first_measurement_is_enough_if_ranking_is_chance_and_outputs_are_low_or_wild(spread: float) -> None:
    signs = replace(DOUBTFUL, logit_spread=spread)
    assert judge([signs], grace=GRACE, settings=SETTINGS) == "collapsed"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "none"),
        ({"skill": 0.0}, "none"),
        ({"auc": 0.56}, "none"),
        ({"auc": 0.56, "skill": 0.0}, "doubtful"),
        ({"auc": 0.54}, "doubtful"),
        ({"auc": 0.6, "skill": 0.0}, "none"),
        ({"auc": float("nan"), "skill": 0.0}, "none"),
        ({"constant_penalty": 0.49}, "none"),
        ({"constant_penalty": 0.5}, "doubtful"),
        ({"constant_penalty": 0.5, "auc": float("nan")}, "doubtful"),
        ({"constant_penalty": 0.5, "auc": 0.54}, "certain"),
        ({"logit_spread": 0.019}, "none"),
        ({"logit_spread": 0.019, "skill": 0.0}, "doubtful"),
        ({"logit_spread": 0.019, "auc": 0.59}, "doubtful"),
        ({"logit_spread": 0.02, "skill": 0.0}, "none"),
        ({"logit_spread": 0.019, "auc": 0.54}, "certain"),
        ({"logit_spread": 0.02, "auc": 0.54}, "likely"),
        ({"logit_spread": 0.12, "auc": 0.54}, "doubtful"),
        ({"logit_spread": 1.5, "auc": 0.54}, "certain"),
        ({"logit_spread": 9.0, "skill": 0.0}, "none"),
    ],
)
def test_a_sign_depends_on_ranking_first_then_on_constancy_and_spread(change: dict[str, float], expected: str) -> None:
    signs = replace(HEALTHY, **change)  # type: ignore[arg-type]
    assert sign_of(signs, SETTINGS) == expected
    assert is_collapsed(signs, SETTINGS) is (expected != "none")


def test_the_logit_spread_is_the_median_over_columns() -> None:
    logits = np.array([[-1.0, -2.0, 0.0], [1.0, 2.0, 0.0]])
    assert logit_spread(1 / (1 + np.exp(-logits))) == pytest.approx(1.0)


def test_labels_that_every_row_or_no_row_has_do_not_count_in_the_logit_spread() -> None:
    generator = np.random.default_rng(0)
    varying = generator.normal(0, 2, (50, 2))
    probabilities = 1 / (1 + np.exp(-np.column_stack([varying, np.full((50, 3), 6.0), np.full((50, 3), -6.0)])))
    truth = np.column_stack([varying > 0, np.ones((50, 3), bool), np.zeros((50, 3), bool)])
    assert logit_spread(probabilities) == pytest.approx(0, abs=1e-9)  # as if every answer were the same
    assert logit_spread(probabilities, truth) == pytest.approx(np.median(varying.std(axis=0)))
    assert logit_spread(probabilities[:, 2:], truth[:, 2:]) == pytest.approx(0, abs=1e-9)  # none is left: all count


def test_the_logit_spread_of_saturated_outputs_is_finite() -> None:
    assert np.isfinite(logit_spread(np.array([[0.0], [1.0]], dtype=np.float32)))


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (HEALTHY, "healthy"),
        (replace(HEALTHY, constant_penalty=0.7), "collapsed"),  # ranks, but decides nearly the same for every row
        (replace(HEALTHY, auc=0.5, logit_spread=0.01), "collapsed"),
        (replace(HEALTHY, auc=0.5, logit_spread=3.0), "doubtful"),  # varies, as a model that memorised noise does
        (replace(HEALTHY, auc=0.5, skill=0.0), "doubtful"),  # varies but ranks by chance, as on unpredictable labels
        (replace(HEALTHY, is_finite=False), "collapsed"),
        (replace(HEALTHY, score=float("nan")), "collapsed"),
    ],
)
def test_a_model_is_healthy_doubtful_or_collapsed_by_its_ranking_and_variation(signs: Signs, expected: Health) -> None:
    assert health_of(signs, GateSettings()) == expected


def test_the_healthiest_measurement_comes_before_the_one_with_the_highest_score() -> None:
    collapsed = replace(HEALTHY, score=0.52, constant_penalty=0.7)
    noise = replace(HEALTHY, score=0.53, auc=0.5, skill=0.0)
    healthy = replace(HEALTHY, score=0.51)
    assert sorted([collapsed, healthy, noise], key=merit) == [collapsed, noise, healthy]
