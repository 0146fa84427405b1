"""The importance of hyperparameters that matter, or not, by construction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from builders.trial_facts import sampled_configurations, scored_trials, trial_facts
from tuner.analysis.importance import FEWEST_TRIALS, importances


@pytest.fixture(scope="module")
def sampled() -> list[Mapping[str, Any]]:
    return sampled_configurations()


def test_a_parameter_that_matters_by_construction_is_the_most_important(sampled: list[Mapping[str, Any]]) -> None:
    trials = scored_trials(sampled, lambda c: 0.5 * c["dropout"] + 0.02 * (c["pooling"] == "max"))
    found = importances(trials[:120])
    assert found[0].name == "dropout"
    assert found[0].low > max(each.high for each in found[1:])
    assert 0.5 < found[0].value <= 1


def test_a_choice_that_matters_by_construction_is_the_most_important(sampled: list[Mapping[str, Any]]) -> None:
    trials = scored_trials(sampled, lambda c: 0.3 * (c["pooling"] == "last"))
    assert importances(trials[:120])[0].name == "pooling"


def test_a_parameter_that_matters_only_where_it_is_in_force_comes_first_among_those(
    sampled: list[Mapping[str, Any]],
) -> None:
    trials = scored_trials(sampled, lambda c: 0.2 * np.log10(c.get("clipping.norm.threshold", 1.0)))
    found = importances(trials, logarithmic=frozenset({"clipping.norm.threshold"}))
    conditional = [each for each in found if each.condition == "where clipping is norm"]
    having = sum("clipping.norm.threshold" in configuration for configuration in sampled)
    assert max((each for each in found if each.condition), key=lambda each: each.value) == conditional[0]
    assert (conditional[0].name, conditional[0].trials) == ("clipping.norm.threshold", having)
    assert conditional[0].value > 0.5


def test_parameters_explain_almost_nothing_of_scores_that_are_noise(sampled: list[Mapping[str, Any]]) -> None:
    assert max(each.value for each in importances(scored_trials(sampled, lambda c: 0.0)[:120])) < 0.05


def test_too_few_trials_are_not_weighed(sampled: list[Mapping[str, Any]]) -> None:
    assert importances(scored_trials(sampled, lambda c: c["dropout"])[: FEWEST_TRIALS - 1]) == ()


def test_scores_that_are_all_the_same_leave_nothing_to_explain(sampled: list[Mapping[str, Any]]) -> None:
    found = importances([trial_facts(configuration) for configuration in sampled[:40]])
    assert {each.value for each in found} <= {0.0}
