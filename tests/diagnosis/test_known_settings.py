"""What a setting is now, and whether an advised one brings anything that is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders.evidence import CONFIGURATION, HEALTHY
from tuner.diagnosis.causes.known_settings import KnownSettings, round_up
from tuner.space.load import read_space

SPACE = """\
task: multilabel
data: {train: rows.csv, text: text, labels: labels, skip_unusable: true}
search: {trials: 9, max_epochs: 6, grace_epochs: 1}
space:
  layers: [1, 3]
  hidden: {low: 32, high: 128, step: 32}
  learning_rate: {low: 1e-4, high: 1e-2, scale: log}
  clipping: [none, {norm: {threshold: {low: 0.5, high: 5}}}]
  tokens: {word: {min_count: [1, 2], forms: [as_written, stem]}}
  dropout: {low: 0, high: 0.98}
"""


def of_space(**configuration: Any) -> KnownSettings:
    space = read_space(SPACE)
    return KnownSettings.of(replace(HEALTHY, space=space, configuration=CONFIGURATION | configuration))


def of_configuration(**configuration: Any) -> KnownSettings:
    return KnownSettings.of(replace(HEALTHY, configuration=CONFIGURATION | configuration))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("space.layers", 1),
        ("space.layers", 2),  # between values that are there
        ("space.hidden", {"low": 64, "high": 96}),
        ("space.learning_rate", {"low": 1e-4, "high": 1e-2, "scale": "log"}),
        ("space.learning_rate", {"low": 2e-4, "high": 5e-3, "scale": "log"}),  # goes back from what is there
        ("space.learning_rate", 0.003),
        ("space.clipping", "norm"),
        ("space.clipping", {"norm": {"threshold": 1}}),
        ("space.clipping", ["none", "norm"]),
        ("space.tokens", {"word": {"vocabulary": 20_000, "min_count": 1}}),
        ("space.dropout", {"low": 0, "high": 0.5}),
        ("search.max_epochs", 6),
        ("data.skip_unusable", True),
        ("space.noise", 0.1),  # for numeric sequences
    ],
)
def test_what_a_space_has_is_not_lacking(key: str, value: Any) -> None:
    assert not of_space().lacks(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("space.layers", 4),
        ("space.learning_rate", {"low": 5e-4, "high": 2e-2, "scale": "log"}),
        ("space.learning_rate", {"low": 1e-5, "high": 5e-3, "scale": "log"}),
        ("space.clipping", "value"),
        ("space.clipping", {"norm": {"threshold": 10}}),
        ("space.tokens", ["word", "bpe"]),
        ("space.layer_norm", True),
        ("search.max_epochs", 12),
    ],
)
def test_what_a_space_has_not_is_lacking(key: str, value: Any) -> None:
    assert of_space().lacks(key, value)


def test_without_a_space_the_configuration_says_what_is_there() -> None:
    known = of_configuration(layers=1)
    assert not known.lacks("space.layers", 1)
    assert known.lacks("space.layers", 2)
    assert not known.lacks("space.clipping", "norm")
    assert known.lacks("space.clipping", "none")


def test_nothing_is_known_of_a_file_of_predictions() -> None:
    known = KnownSettings.of(replace(HEALTHY, configuration=None))
    assert (known.ends("hidden"), known.options("clipping"), known.search("patience")) == (None, (), None)


def test_a_model_follows_a_setting_if_its_own_value_meets_it() -> None:
    known = of_space(learning_rate=0.5, clipping="none")
    assert not known.follows("space.learning_rate", {"low": 1e-4, "high": 1e-2, "scale": "log"})
    assert not known.follows("space.clipping", "norm")
    assert known.follows("space.layers", 1)


def test_a_changed_option_keeps_its_other_parameters() -> None:
    changed = of_space().option_with("tokens", "word", vocabulary=40_000)
    assert changed == {"word": {"min_count": [1, 2], "forms": ["as_written", "stem"], "vocabulary": 40_000}}


def test_ends_are_those_of_the_space() -> None:
    known = of_space()
    assert (known.ends("hidden"), known.ends("clipping.norm.threshold")) == ((32, 128), (0.5, 5))
    assert known.options("clipping") == ("none", "norm")


def test_a_setting_that_the_space_refuses_is_not_accepted() -> None:
    known = of_space()
    assert known.accept({"space.layers": 2, "search.max_epochs": 12})
    assert not known.accept({"search.grace_epochs": 7})
    assert not known.accept({"space.layers": 20})


@pytest.mark.parametrize(
    ("number", "rounded"), [(6.12, 7), (12, 12), (12.24, 13), (67, 70), (241, 245), (0.4, 1), (1001, 1050)]
)
def test_numbers_are_rounded_up_to_round_ones(number: float, rounded: int) -> None:
    assert round_up(number) == rounded


def test_a_rounded_number_stays_within_its_bound() -> None:
    assert round_up(9_990, most=9_995) == 9_995
