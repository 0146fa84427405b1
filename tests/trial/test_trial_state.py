"""A trial's state: another trial that loads it measures what the first would have, number for number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from tuner.data.trial_data import TrialData
from tuner.pruners.gate import NO_MERIT, merit
from tuner.space.build import declared_options
from tuner.space.configuration import Configuration
from tuner.training.state import from_bytes, to_bytes
from tuner.trial.measurement import Measurement
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

Prepared = Callable[..., tuple[Configuration, TrialData]]

SETTINGS = TrialSettings(max_epochs=2.5, reports_per_epoch=2, penalty_weight=1.0)
ROWS = 64
EVERY_DROPOUT = {"embedding_dropout": 0.2, "layer_dropout": 0.2, "weight_dropout": 0.2, "dropout": 0.4, "layers": 2}
TOKEN_CHANGES = {"token_dropout": 0.2, "token_swap": 0.2, "token_replacement": 0.2}
VALUE_CHANGES = {"noise": 0.2, "scaling": 0.2, "smoothing": 0.5, "time_masking": 0.3}

CASES = {
    **{f"optimiser {name}": {"optimiser": name} for name in declared_options("optimiser")},
    "adam with decay": {"optimiser": "adam", "optimiser.adam.weight_decay": 0.01},
    "rmsprop with momentum": {"optimiser": "rmsprop", "optimiser.rmsprop.momentum": 0.5},
    "sgd without momentum": {"optimiser": "sgd", "optimiser.sgd.momentum": 0.0},
    **{f"schedule {name}": {"schedule": name} for name in declared_options("schedule")},
    "a plateau": {"schedule": "plateau", "schedule.plateau.patience": 2, "learning_rate": 1e-6},
    **{f"clipping {name}": {"clipping": name} for name in declared_options("clipping")},
    "a short memory of norms": {"clipping": "quantile", "clipping.quantile.history": 3},
    **{f"averaging {name}": {"averaging": name} for name in declared_options("averaging")},
    "averaging that has not begun": {"averaging": "swa", "averaging.swa.start": 0.9},
    **{f"pooling {name}": {"pooling": name} for name in declared_options("pooling")},
    "mixup": {"mixup": 0.4},
    "accumulation": {"accumulation": 3, "batch_size": 8},
    "gru": {"cell": "gru"},
    "bfloat16": {"precision": "bfloat16"},
    "dropout": EVERY_DROPOUT,
    "variational dropout": {**EVERY_DROPOUT, "variational_dropout": True},
    "changed tokens": TOKEN_CHANGES,
    "l1 and normalised layers": {"l1": 1e-4, "layer_norm": True},
    "a batch wider than the data": {"batch_size": 150},
    "all at once": {
        **EVERY_DROPOUT,
        **TOKEN_CHANGES,
        "mixup": 0.4,
        "resampling": "smote",
        "clipping": "quantile",
        "averaging": "ema",
        "schedule": "plateau",
    },
}
OF_SEQUENCES = {
    "as they are": {},
    "changed values": VALUE_CHANGES,
    "mixed rows": {"mixup": 0.4, "resampling": "smote"},
    "dropout": EVERY_DROPOUT,
}


@pytest.fixture
def prepared(configure: Any, make_dataset: Any, prepare_for: Any) -> Prepared:
    """Return a function that makes a configuration and tiny data for it."""

    def make(
        chosen: dict[str, Any], *, task: str = "multiclass", inputs: str = "text", folds: int = 0
    ) -> tuple[Configuration, TrialData]:
        dotted = {name: value for name, value in chosen.items() if "." in name}
        plain = {name: value for name, value in chosen.items() if name not in dotted}
        configuration = configure(dotted, inputs=inputs, **plain)
        return configuration, prepare_for(make_dataset(task, rows=ROWS, inputs=inputs, folds=folds), configuration)

    return make


def measurements_of(trial: Trial, *, most: int = 100) -> list[Measurement]:
    """The next measurements of a trial, up to its last."""
    measurements: list[Measurement] = []
    while len(measurements) < most and not (measurements and measurements[-1].is_last):
        measurements.append(trial.next_measurement())
    return measurements


def without_seconds(measurements: list[Measurement]) -> list[str]:
    """Measurements without their seconds, as text so that NaN equals NaN."""
    fields = (asdict(measurement) for measurement in measurements)
    return [repr({name: value for name, value in each.items() if not name.endswith("seconds")}) for each in fields]


def check(
    configuration: Configuration,
    data: TrialData,
    settings: TrialSettings = SETTINGS,
    *,
    before: int = 3,
    is_final: bool = False,
) -> list[Measurement]:
    """Go on in another trial after `before` measurements, and return what both measure from there on."""
    whole, other = (Trial(configuration, data, settings, seed=1, is_final=is_final) for _ in range(2))
    first = measurements_of(whole, most=before)
    other.load_state(whole.save_state())
    assert (
        other.best_merit
        == whole.best_merit
        == max((merit(measurement.signs) for measurement in first), default=NO_MERIT)
    )
    rest, again = measurements_of(whole), measurements_of(other)
    assert without_seconds(again) == without_seconds(rest)
    assert all(
        torch.equal(one, two) for one, two in zip(whole.model.parameters(), other.model.parameters(), strict=True)
    )
    return rest


@pytest.mark.parametrize("case", CASES)
def test_a_trial_that_loads_a_state_goes_on_as_if_uninterrupted(case: str, prepared: Prepared) -> None:
    check(*prepared(CASES[case]))


@pytest.mark.parametrize("case", OF_SEQUENCES)
def test_a_trial_on_sequences_that_loads_a_state_goes_on_as_if_uninterrupted(case: str, prepared: Prepared) -> None:
    check(*prepared(OF_SEQUENCES[case], inputs="sequence"))


@pytest.mark.parametrize("resampling", declared_options("resampling"))
def test_a_pass_over_the_rows_that_was_begun_is_finished(resampling: str, prepared: Prepared) -> None:
    tasks = declared_options("resampling")[resampling].tasks
    chosen = {"resampling": resampling, "resampling.fixed_number.rows": 20, "batch_size": 8}
    check(*prepared(chosen, task="multilabel" if "multilabel" in tasks else "multiclass"))


@pytest.mark.parametrize("before", [0, 1, 2, 4])
def test_a_state_may_be_saved_between_any_two_measurements(before: int, prepared: Prepared) -> None:
    assert len(check(*prepared(CASES["all at once"]), before=before)) == 5 - before


@pytest.mark.parametrize("is_final", [False, True])
def test_each_model_of_a_trial_with_folds_goes_on(is_final: bool, prepared: Prepared) -> None:
    check(*prepared({"dropout": 0.3, "averaging": "ema"}, folds=3), is_final=is_final)


def test_patience_counts_on(prepared: Prepared) -> None:
    settings = replace(SETTINGS, patience=4, max_epochs=20)
    rest = check(*prepared({"learning_rate": 1e-30}), settings)
    assert len(rest) == 2  # of the three measurements before the state the first was the best, so two count


def test_health_checks_come_when_they_would_have_come(prepared: Prepared) -> None:
    rest = check(*prepared({"learning_rate": 1e-30}), replace(SETTINGS, max_epochs=5), before=2)
    assert {math.isnan(measurement.train_score) for measurement in rest[:-1]} == {True, False}


def test_a_trial_may_be_interrupted_more_than_once(prepared: Prepared) -> None:
    configuration, data = prepared(CASES["all at once"])
    whole = measurements_of(Trial(configuration, data, SETTINGS, seed=1))
    trial, measurements = Trial(configuration, data, SETTINGS, seed=1), []
    while not (measurements and measurements[-1].is_last):
        state, trial = trial.save_state(), Trial(configuration, data, SETTINGS, seed=1)
        trial.load_state(state)
        measurements.append(trial.next_measurement())
    assert without_seconds(measurements) == without_seconds(whole)


def test_saving_a_state_changes_nothing(prepared: Prepared) -> None:
    configuration, data = prepared(CASES["all at once"])
    one, other = (Trial(configuration, data, SETTINGS, seed=1) for _ in range(2))
    first = [one.next_measurement()]
    other.next_measurement()
    assert other.save_state() == other.save_state()
    assert without_seconds(first + measurements_of(one))[1:] == without_seconds(measurements_of(other))


def test_the_recurrent_layers_keep_their_precision_even_if_another_machine_would_choose_another(
    prepared: Prepared,
) -> None:
    configuration, data = prepared({"precision": "auto"})
    there, here = (Trial(configuration, data, SETTINGS, seed=1) for _ in range(2))
    there.model.precision = there.precision = "bfloat16"  # as on a machine with instructions for it
    here.load_state(there.save_state())
    assert without_seconds(measurements_of(here)) == without_seconds(measurements_of(there))


@pytest.mark.parametrize(("averaging", "times"), [("none", 3), ("ema", 4)])
def test_a_state_is_as_large_as_the_trained_weights_and_what_is_kept_for_each(
    averaging: str, times: int, prepared: Prepared
) -> None:
    trial = Trial(*prepared({"hidden": 64, "averaging": averaging}), SETTINGS, seed=1)
    measurements_of(trial)
    assert times <= len(trial.save_state()) / (4 * trial.parameters) <= times + 0.3


def test_vectors_that_are_not_trained_come_from_the_data_not_from_the_state(prepared: Prepared) -> None:
    configuration, data = prepared({"embedding": "word2vec", "embedding.word2vec.is_tuned": False})
    check(configuration, data)
    tensors = safetensors.torch.load(Trial(configuration, data, SETTINGS, seed=1).save_state())
    assert not [name for name in tensors if "embedding" in name]


def test_before_a_measurement_there_is_no_merit(prepared: Prepared) -> None:
    assert Trial(*prepared({}), SETTINGS, seed=1).best_merit == NO_MERIT


# --- refused states ----------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(prepared: Prepared) -> tuple[Configuration, TrialData, bytes]:
    """A trial's configuration and data, and its state after a measurement."""
    configuration, data = prepared({"averaging": "ema"})
    trial = Trial(configuration, data, SETTINGS, seed=1)
    trial.next_measurement()
    return configuration, data, trial.save_state()


def refused(
    configuration: Configuration,
    data: TrialData,
    content: bytes,
    match: str,
    settings: TrialSettings = SETTINGS,
    seed: int = 1,
) -> None:
    trial = Trial(configuration, data, settings, seed=seed)
    with pytest.raises(ValueError, match=f"not a state of this trial .*{match}.*; start the trial again"):
        trial.load_state(content)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_a_state_that_was_cut_short_is_refused(kept: float, saved: Any) -> None:
    configuration, data, content = saved
    refused(configuration, data, content[: int(kept * len(content))], "no complete training state")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_state_with_a_changed_byte_is_refused(share: float, saved: Any) -> None:
    configuration, data, content = saved
    place = int(share * len(content))
    changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    refused(configuration, data, changed, "no complete training state")


@pytest.mark.parametrize("content", [b"no state at all", safetensors.torch.save({"head.bias": torch.zeros(3)})])
def test_bytes_that_are_something_else_are_refused(content: bytes, saved: Any) -> None:
    refused(*saved[:2], content, "no complete training state")


def test_a_state_of_another_trial_is_refused(saved: Any, prepared: Prepared) -> None:
    configuration, data, content = saved
    refused({**configuration, "learning_rate": 0.5}, data, content, "another configuration")
    refused(configuration, data, content, "another seed", seed=2)
    refused(configuration, data, content, "another budget", settings=replace(SETTINGS, max_epochs=9))


def test_a_state_with_another_number_of_models_is_refused(prepared: Prepared) -> None:
    configuration, data = prepared({}, folds=3)
    final = Trial(configuration, data, SETTINGS, seed=1, is_final=True)
    refused(configuration, data, final.save_state(), "another number of models")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("trial/version", 0, "another version"),
        ("members/0/weights/head.bias", torch.zeros(5), r"\(5,\) torch.float32, but should be \(3,\)"),
        ("members/0/weights/head.bias", torch.zeros(3).double(), "float64, but should be"),
        ("members/0/weights/other", torch.zeros(3), "the weights are"),
        ("members/0/optimiser/0/exp_avg", torch.zeros(5), "but should be"),
        ("members/0/parts/average/averages/1", torch.zeros(5), "but should be"),
        ("members/0/parts/average/averages", {"0": torch.zeros(5)}, "but should be"),
        ("members/0/parts/batches/drawn", 1000, "fewer than 1000 batches"),
        ("members/0/parts/batches/beginning", {"bit_generator": "PCG64"}, "KeyError"),
        ("members/0/parts", {}, "KeyError"),
        ("members", [1], "TypeError"),
    ],
)
def test_a_state_with_a_wrong_value_is_refused(path: str, value: Any, match: str, saved: Any) -> None:
    configuration, data, content = saved
    state = from_bytes(content)
    *parents, name = path.split("/")
    place = state
    for parent in parents:
        place = place[parent]
    place[name] = value
    refused(configuration, data, to_bytes(state), match)


@pytest.mark.parametrize("seed", range(20))
def test_a_state_comes_back_from_bytes_as_it_was(seed: int) -> None:
    generator = np.random.default_rng(seed)
    numbers = generator.bit_generator.state
    state = {
        "a.b": {"tensor": torch.from_numpy(generator.random((3, 0 if seed == 0 else seed))), "none": {}},
        "scalar": torch.tensor(seed / 3),
        "others": [-math.inf, seed / 7, None, "text", True],
        "generator": numbers,
    }
    again = from_bytes(to_bytes(state))
    assert again.keys() == state.keys()
    assert torch.equal(again["a.b"]["tensor"], state["a.b"]["tensor"])
    assert again["a.b"]["none"] == {}
    assert torch.equal(again["scalar"], state["scalar"])
    assert (again["others"], again["generator"]) == (state["others"], numbers)


@pytest.mark.parametrize("folds", [0, 2])
def test_a_trial_that_is_saved_on_the_way_to_a_measurement_goes_on_to_the_same_scores(
    folds: int, prepared: Prepared
) -> None:
    configuration, data = prepared({"batch_size": 8, "dropout": 0.3}, folds=folds)
    whole, paused, other = (Trial(configuration, data, SETTINGS, seed=1) for _ in range(3))
    expected = measurements_of(whole)
    paused.next_measurement()
    ticks = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: float(next(ticks)))
        assert paused.advance(pause_at=2.0)  # after two steps
    other.load_state(paused.save_state())
    assert expected[0].examples < other.examples < expected[1].examples
    assert [(each.examples, each.score) for each in measurements_of(other)] == [
        (each.examples, each.score) for each in expected[1:]
    ]
