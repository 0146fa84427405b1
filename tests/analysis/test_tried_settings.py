"""Settings of a parameter, and the conditions under which it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from builders.trial_facts import sampled_configurations, trial_facts
from tuner.analysis.tried_settings import condition, settings_of, varied


@pytest.fixture(scope="module")
def sampled() -> list[Mapping[str, Any]]:
    return sampled_configurations()


def test_settings_of_a_range_hold_every_trial_once_and_their_borders_hold(sampled: list[Mapping[str, Any]]) -> None:
    trials = [trial_facts(configuration) for configuration in sampled]
    settings = settings_of("learning_rate", trials, is_log=True)
    assert sorted(id(t) for s in settings for t in s.trials) == sorted(map(id, trials))
    for setting in settings:
        assert setting.low is not None
        assert setting.high is not None
        values = [trial.configuration["learning_rate"] for trial in setting.trials]
        assert setting.low <= min(values)
        assert max(values) <= setting.high
    assert [s.high for s in settings[:-1]] == [s.low for s in settings[1:]]


def test_conditions_are_described_in_words(sampled: list[Mapping[str, Any]]) -> None:
    trials = [trial_facts(configuration) for configuration in sampled]
    assert condition("hidden", trials) == ""
    assert condition("clipping.norm.threshold", trials) == "where clipping is norm"
    assert condition("layer_dropout", trials) == "where it is in force"
    assert "max_length" not in varied(trials)
