"""One contract for every option that a space can name: its builder is there, and it trains for every task it is for."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tuner.data.prepare import TrialData
from tuner.space.build import builder_of, declared_options
from tuner.space.configuration import Configuration
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.trial.measurement import TrialSettings
from tuner.trial.trial import Trial

OTHER_OPTIONS = {"embedding", "truncation", "precision"}  # words that are read where they are used, without a builder
WITH_OPTIONS = {
    name for each in PARAMETERS.values() for name, parameter in each.items() if isinstance(parameter, Options)
}
REGISTRIES = sorted(WITH_OPTIONS - OTHER_OPTIONS)
TASKS = ("binary", "multiclass", "multilabel")
NEW_NUMBERS: Mapping[str, Mapping[str, float | bool]] = {
    "text": {"token_dropout": 0.2, "token_swap": 0.2, "token_replacement": 0.2, "embedding_dropout": 0.2},
    "sequence": {"noise": 0.2, "scaling": 0.2, "smoothing": 0.5, "time_masking": 0.3},
    "both": {
        "mixup": 0.4,
        "soft_f1": 0.5,
        "logit_adjustment": 1.0,
        "l1": 1e-4,
        "accumulation": 3,
        "layer_norm": True,
        "variational_dropout": True,
        "weight_dropout": 0.3,
        "dropout": 0.5,
        "layers": 2,
        "directions": 1,
    },
}
SETTINGS = TrialSettings(max_epochs=2, reports_per_epoch=1, penalty_weight=1.0)


ENTRIES = [(name, entry) for name in REGISTRIES for entry in declared_options(name)]
CASES = [
    pytest.param(name, entry, task, inputs, id=f"{name}-{entry}-{task}-{inputs}")
    for name, entry in ENTRIES
    for inputs in ("text", "sequence")
    if not (name == "tokens" and inputs == "sequence")
    for task in declared_options(name)[entry].tasks
]
NUMBERS = [
    pytest.param(name, value, inputs, id=f"{name}-{inputs}")
    for kind, numbers in NEW_NUMBERS.items()
    for inputs in ("text", "sequence")
    if kind in (inputs, "both")
    for name, value in numbers.items()
]


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_an_entry_takes_by_keyword_what_its_option_has_of_its_own(name: str, entry: str) -> None:
    option = declared_options(name)[entry]
    taken = inspect.signature(builder_of(name, entry)).parameters.values()
    if option.each is not None:
        assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
        return
    # Each trial cuts the vocabulary for itself, see tuner.data.preparation.
    only_cut = {"vocabulary", "min_count"} if name == "tokens" else set()
    own = {parameter.name for parameter in taken if parameter.kind is parameter.KEYWORD_ONLY}
    assert own == set(option.parameters) - only_cut


def test_every_option_names_a_builder_but_those_that_are_only_words() -> None:
    without = {name for name in WITH_OPTIONS for each in declared_options(name).values() if not each.builder}
    assert without == OTHER_OPTIONS


@pytest.mark.parametrize(("name", "entry", "task", "inputs"), CASES)
def test_an_entry_trains_to_finite_numbers_and_the_same_twice_but_not_with_another_seed(
    name: str, entry: str, task: str, inputs: str, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    small = {"tokens.bpe.size": 120, "tokens.wordpiece.size": 120, "resampling.fixed_number.rows": 20}
    own = {key: value for key, value in small.items() if key.startswith(f"{name}.{entry}.")}
    configuration = configure(own, inputs=inputs, **{name: entry})
    check(configuration, prepare_for(make_dataset(task, inputs=inputs), configuration))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "value", "inputs"), NUMBERS)
def test_a_number_trains_to_finite_numbers_and_the_same_twice_but_not_with_another_seed(
    name: str, value: float, inputs: str, task: str, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    configuration = configure(inputs=inputs, **{name: value})
    check(configuration, prepare_for(make_dataset(task, inputs=inputs), configuration))


@pytest.mark.parametrize("is_tuned", [True, False])
def test_trained_vectors_train_further_only_if_they_are_tuned(
    is_tuned: bool, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    configuration = configure({"embedding.word2vec.is_tuned": is_tuned}, embedding="word2vec")
    data = prepare_for(make_dataset("multilabel"), configuration)
    trial = Trial(configuration, data, SETTINGS, seed=5)
    before = trial.model.embedding.weight.detach().clone()
    measurement = trial.next_measurement()
    assert measurement.vocabulary_found == 1.0
    assert torch.equal(trial.model.embedding.weight.detach(), before) is not is_tuned


def check(configuration: Configuration, data: TrialData) -> None:
    """Train twice with one seed and once with another; what is given to a trial stays as it was."""
    untouched = pickle.dumps(data)
    first, again, other = (train(configuration, data, seed) for seed in (5, 5, 6))
    assert [key for key in first if not torch.equal(first[key], again[key])] == []
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert pickle.dumps(data) == untouched


def train(configuration: Configuration, data: TrialData, seed: int) -> dict[str, torch.Tensor]:
    """Train for an epoch, and return the weights."""
    trial = Trial(configuration, data, replace(SETTINGS), seed=seed)
    before = {key: value.clone() for key, value in trial.model.state_dict().items()}
    measurement = trial.next_measurement()
    assert measurement.diverged_at_step is None
    assert 0 < measurement.gradient_norm < np.inf
    after = {key: value.clone() for key, value in trial.model.state_dict().items()}
    assert all(torch.isfinite(value).all() for value in after.values())
    assert [key for key in after if torch.equal(before[key], after[key])] == []  # each part of the model learns
    return after
