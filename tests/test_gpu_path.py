"""Every option trains and is measured on a GPU-like device: no operation mixes devices, and no step waits for the device.

The device is that of `builders.fake_gpu`. Its tensors hold no numbers, so what a GPU computes is not seen here, nor what PyTorch
asks the driver about: the kernels of cuDNN, bfloat16 under autocast (its casts are left out), the GRU's step and fused SGD
(whose results have the right shapes), and how memory is pinned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from builders.configurations import configure, prepare_for
from builders.datasets import make_dataset
from builders.fake_gpu import FAKE_GPU, fake_gpu
from tuner.data.trial_data import TrialData
from tuner.space.build import declared_options
from tuner.space.configuration import Configuration
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs, Task
from tuner.training.progress import STEPS_BETWEEN_RATIOS
from tuner.training.transfer import LateNumber
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

SETTINGS = TrialSettings(max_epochs=1, reports_per_epoch=1, penalty_weight=1.0, device=FAKE_GPU)
NEED_A_FILE = {"embedding": ["file"]}
SMALL = {
    "max_length": 2,
    "hidden": 4,
    "tokens.bpe.size": 120,
    "tokens.wordpiece.size": 120,
    "resampling.fixed_number.rows": 24,
}
NUMBERS: dict[str, Any] = {
    "mixup": 0.4,
    "soft_f1": 0.5,
    "logit_adjustment": 1.0,
    "l1": 1e-4,
    "accumulation": 2,
    "layer_norm": True,
    "layers": 2,
    "layer_dropout": 0.3,
    "variational_dropout": True,
    "weight_dropout": 0.3,
    "dropout": 0.5,
    "directions": 1,
}
"""Every other configuration has these as well, and the augmentations of its inputs."""
AUGMENTATIONS = {
    "text": {"token_dropout": 0.2, "token_swap": 0.2, "token_replacement": 0.2, "embedding_dropout": 0.2},
    "sequence": {"noise": 0.2, "scaling": 0.2, "smoothing": 0.5, "time_masking": 0.3},
}


def options_of(inputs: Inputs, task: Task) -> dict[str, list[str]]:
    """The options of every registry that are for a task."""
    names = [name for name, parameter in PARAMETERS[inputs].items() if isinstance(parameter, Options)]
    return {
        name: [
            option
            for option, declared in declared_options(name).items()
            if task in declared.tasks and option not in NEED_A_FILE.get(name, [])
        ]
        for name in names
    }


def covering(inputs: Inputs, task: Task) -> Iterator[Configuration]:
    """As many configurations as the largest registry has options; together they have every option of every registry."""
    options = options_of(inputs, task)
    for number in range(max(map(len, options.values()))):
        chosen = {name: entries[number % len(entries)] for name, entries in options.items()}
        more = {**NUMBERS, **AUGMENTATIONS[inputs]} if number % 2 else {}
        yield configure(dict(SMALL), inputs=inputs, **chosen, **more)


CASES = [
    pytest.param(inputs, task, number, id=f"{inputs}-{task}-{number}")
    for inputs, task in (("text", "multilabel"), ("sequence", "multiclass"), ("text", "binary"))
    for number, _ in enumerate(covering(inputs, task))  # type: ignore[arg-type]
    if task != "binary" or number < 4  # its options are those of multiclass
]


def test_every_option_is_in_one_of_the_cases() -> None:
    chosen = set()
    for case in CASES:
        inputs, task, number = case.values
        configuration = next(islice(covering(inputs, task), number, None))  # type: ignore[arg-type]
        chosen |= {(name, option) for name, option in configuration.items() if isinstance(option, str)}
    every = {
        (name, option)
        for inputs, parameters in PARAMETERS.items()
        for name, parameter in parameters.items()
        if isinstance(parameter, Options)
        for option in declared_options(name)
    }
    assert every - chosen == {("embedding", "file")}  # its vectors are used as those of word2vec are


def data_of(inputs: Inputs, task: Task, configuration: Configuration, *, folds: int = 0) -> TrialData:
    return prepare_for(make_dataset(task, rows=32, inputs=inputs, folds=folds), configuration)


@pytest.mark.parametrize(("inputs", "task", "number"), CASES)
def test_a_configuration_trains_without_waiting_and_waits_once_for_a_measurement(
    inputs: Inputs, task: Task, number: int
) -> None:
    configuration = next(islice(covering(inputs, task), number, None))
    data = data_of(inputs, task, configuration)
    with fake_gpu() as (gpu, _):
        trial = Trial(configuration, data, SETTINGS, seed=1)
        gpu.counts.clear()
        trial.advance()
        assert gpu.counts["waits"] == 1  # for the figures about the steps, read once all of them are taken
        copies = gpu.counts["copies"]
        trial._validation.evaluate(has_diverged=False)
        assert gpu.counts["waits"] == 2
        assert gpu.counts["copies"] == copies > 0  # the validation rows have stayed there
        if number < 2:  # an LSTM and a GRU
            trial._validation.check_health()
            assert gpu.counts["waits"] == 4  # for gates and units, and for the score on training rows
        assert gpu.counts["blocking copies"] == 0
    assert trial.examples >= 32
    assert {parameter.device.type for parameter in trial.model.parameters()} == {FAKE_GPU}


def test_with_folds_all_models_are_read_at_once() -> None:
    configuration = configure(dict(SMALL))
    with fake_gpu() as (gpu, _):
        trial = Trial(configuration, data_of("text", "multiclass", configuration, folds=3), SETTINGS, seed=1)
        trial.advance()
        gpu.counts.clear()
        trial._validation.evaluate(has_diverged=False)
        assert gpu.counts["waits"] == 1


def test_a_number_that_is_not_finite_ends_the_training_once_it_has_come_from_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configuration = configure(dict(SMALL), batch_size=1)
    data = data_of("text", "binary", configuration)
    arrived = iter([None, None, math.inf])
    monkeypatch.setattr(LateNumber, "read", lambda _: next(arrived))
    with fake_gpu() as (gpu, _):
        trial = Trial(configuration, data, SETTINGS, seed=1)
        assert not trial._kept.training.advance(32)
    assert trial.steps == STEPS_BETWEEN_RATIOS + 2
    assert gpu.counts["waits"] == 0


@pytest.mark.parametrize("options", [{"averaging": "ema", "clipping": "quantile"}, {"optimiser": "rmsprop"}])
def test_a_trial_goes_on_from_a_checkpoint_on_a_gpu(options: dict[str, Any]) -> None:
    configuration = configure(dict(SMALL), **options)
    data = data_of("text", "binary", configuration)
    settings = replace(SETTINGS, max_epochs=2)
    with fake_gpu() as (_, module):
        trial = Trial(configuration, data, settings, seed=1)
        trial.next_measurement()
        state = trial.save_state()
        again = Trial(configuration, data, settings, seed=1)
        again.load_state(state)
        again.next_measurement()
        assert "set_rng_state" in [name for name, _ in module.calls]
    assert again.examples == 2 * trial.examples


def test_a_trial_takes_no_more_than_its_share_of_the_memory_of_a_gpu() -> None:
    configuration = configure(dict(SMALL))
    with fake_gpu() as (_, module):
        Trial(configuration, data_of("text", "binary", configuration), replace(SETTINGS, gpu_share=0.25), seed=1)
        bounds = [value for name, value in module.calls if name == "set_per_process_memory_fraction"]
    assert bounds == [pytest.approx(0.25, rel=0.05)]
