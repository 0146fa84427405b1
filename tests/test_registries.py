"""One contract for every registry: it has what a space can name, and each entry trains, for every task that it is for."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tuner.data.preparation import TOKENISERS
from tuner.data.trial_data import TrialData
from tuner.imbalance.loss import LOSSES
from tuner.imbalance.resample import RESAMPLINGS
from tuner.imbalance.weights import LOSS_WEIGHTS
from tuner.model.initialise import INITIALISATIONS
from tuner.model.pooling import POOLINGS
from tuner.model.recurrent import CELLS
from tuner.space.configuration import Configuration
from tuner.space.options import Option, Options
from tuner.space.parameters import PARAMETERS
from tuner.training.averaging import AVERAGINGS
from tuner.training.clipping import CLIPPINGS
from tuner.training.optimisers import OPTIMISERS
from tuner.training.schedules import SCHEDULES
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

REGISTRIES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "tokens": TOKENISERS,
    "cell": CELLS,
    "initialisation": INITIALISATIONS,
    "pooling": POOLINGS,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "clipping": CLIPPINGS,
    "averaging": AVERAGINGS,
    "loss": LOSSES,
    "loss_weights": LOSS_WEIGHTS,
    "resampling": RESAMPLINGS,
}
OTHER_OPTIONS = {"embedding", "truncation", "precision"}  # read where they are used, without a registry
BUILT_BY_THE_MODEL = {"cell", "initialisation", "pooling"}  # from the arguments that all of its parts share
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


def option_of(name: str, entry: str) -> Option:
    parameter = PARAMETERS["text"][name]
    assert isinstance(parameter, Options)
    return parameter.options[entry]


ENTRIES = [(name, entry) for name, registry in REGISTRIES.items() for entry in registry]
CASES = [
    pytest.param(name, entry, task, inputs, id=f"{name}-{entry}-{task}-{inputs}")
    for name, entry in ENTRIES
    for inputs in ("text", "sequence")
    if not (name == "tokens" and inputs == "sequence")
    for task in option_of(name, entry).tasks
]
NUMBERS = [
    pytest.param(name, value, inputs, id=f"{name}-{inputs}")
    for kind, numbers in NEW_NUMBERS.items()
    for inputs in ("text", "sequence")
    if kind in (inputs, "both")
    for name, value in numbers.items()
]


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_registry_has_the_options_that_a_space_can_name_and_no_other(name: str) -> None:
    parameter = PARAMETERS["text"][name]
    assert isinstance(parameter, Options)
    assert set(REGISTRIES[name]) == set(parameter.options)


@pytest.mark.parametrize(("name", "entry"), [each for each in ENTRIES if each[0] not in BUILT_BY_THE_MODEL])
def test_an_entry_takes_by_keyword_what_its_option_has_of_its_own(name: str, entry: str) -> None:
    option = option_of(name, entry)
    taken = inspect.signature(REGISTRIES[name][entry]).parameters.values()
    if option.each is not None:
        assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
        return
    only_cut = (
        {"vocabulary", "min_count"} if name == "tokens" else set()
    )  # done by each trial, see tuner.data.preparation
    own = {parameter.name for parameter in taken if parameter.kind is parameter.KEYWORD_ONLY}
    assert own == set(option.parameters) - only_cut


def test_every_parameter_with_options_has_a_registry_but_those_that_are_named() -> None:
    with_options = {
        name for each in PARAMETERS.values() for name, parameter in each.items() if isinstance(parameter, Options)
    }
    assert with_options == {*REGISTRIES, *OTHER_OPTIONS}


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
