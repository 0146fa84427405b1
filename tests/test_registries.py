"""One contract for every registry: it has what a space can name, and each entry trains on every task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from tuner.data.prepare import TOKENISERS, TokenSetting, make_rows, prepare, token_setting, vocabulary_size
from tuner.imbalance.loss import LOSS_WEIGHTS, make_loss
from tuner.imbalance.resample import RESAMPLINGS
from tuner.model.build import make_model
from tuner.model.pooling import POOLINGS
from tuner.space.options import PARAMETERS, Options
from tuner.space.sampler import Configuration
from tuner.training.clipping import CLIPPINGS
from tuner.training.loop import Training
from tuner.training.optimisers import OPTIMISERS
from tuner.training.schedules import SCHEDULES

REGISTRIES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "tokens": TOKENISERS,
    "pooling": POOLINGS,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "clipping": CLIPPINGS,
    "loss_weights": LOSS_WEIGHTS,
    "resampling": RESAMPLINGS,
}
ENTRIES = [(name, entry) for name, registry in REGISTRIES.items() for entry in registry]
TASKS = ("binary", "multiclass", "multilabel")


def options_of(name: str) -> Options:
    parameter = PARAMETERS[name]
    assert isinstance(parameter, Options)
    return parameter


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_registry_has_the_options_that_a_space_can_name_and_no_other(name: str) -> None:
    assert set(REGISTRIES[name]) == set(options_of(name).options)


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_an_entry_takes_by_keyword_what_its_option_has_of_its_own(name: str, entry: str) -> None:
    taken = inspect.signature(REGISTRIES[name][entry]).parameters.values()
    own = {parameter.name for parameter in taken if parameter.kind is parameter.KEYWORD_ONLY}
    assert own == set(options_of(name).options[entry].parameters)


def test_every_parameter_with_options_has_a_registry_but_precision() -> None:
    with_options = {name for name, parameter in PARAMETERS.items() if isinstance(parameter, Options)}
    assert with_options == {*REGISTRIES, "precision"}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_an_entry_trains_with_finite_gradients_and_the_same_twice(
    name: str, entry: str, task: str, configure: Any, make_dataset: Any
) -> None:
    configuration = configure(**{name: entry})
    data = prepare(make_dataset(task), [token_setting(configuration)])
    first, again = (train(configuration, data) for _ in range(2))
    assert [key for key in first if not torch.equal(first[key], again[key])] == []


def train(configuration: Configuration, data: Any) -> dict[str, torch.Tensor]:
    """Train for half a pass more than one, and return the weights."""
    splits = data.encoded[TokenSetting("word", (("lower_case", True),))]
    vocabulary = vocabulary_size(splits.counts, configuration)
    model = make_model(configuration, vocabulary=vocabulary, labels=data.n_labels, precision="float32", seed=5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    rows = make_rows(splits.train, data.train_targets, vocabulary=vocabulary, max_length=16)
    training = Training(
        model,
        rows,
        task=data.task,
        loss=make_loss(data.train_targets, data.n_labels, data.task, weights=str(configuration["loss_weights"])),
        resample=build("resampling", configuration),
        make_optimiser=build("optimiser", configuration),
        learning_rate=0.01,
        schedule=build("schedule", configuration),
        clip=build("clipping", configuration),
        batch_size=16,
        budget=2 * len(rows),
        generator=np.random.default_rng(5),
    )
    progress = training.train_until(3 * len(rows) // 2)
    assert progress.non_finite_step is None
    assert 0 < progress.gradient_norm < np.inf
    after = model.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert [key for key in after if torch.equal(before[key], after[key])] == []  # each part of the model learns
    return after


def build(name: str, configuration: Configuration) -> Any:
    chosen = str(configuration[name])
    own = {key.rsplit(".", 1)[1]: value for key, value in configuration.items() if key.startswith(f"{name}.{chosen}.")}
    return REGISTRIES[name][chosen](**own)
