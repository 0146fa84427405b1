"""A trial's health: deliberate faults in trials on real data show in its measurements, and healthy trials show none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tuner.data.dataset import Dataset, take_inputs
from tuner.data.load import load_data
from tuner.model.classifier import SequenceClassifier
from tuner.space.settings import DataSettings
from tuner.trial.measurement import HEALTH, Measurement
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

SETTINGS = TrialSettings(max_epochs=8, reports_per_epoch=1, penalty_weight=1.0)
Tamper = Callable[[SequenceClassifier], None]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    settings = DataSettings(train="builtin:digits", validation=0.25, test=0.02, label="label", sequence="sequence")
    return load_data(settings, "multiclass", seed=0)


@pytest.fixture(scope="module")
def docstrings() -> Dataset:
    settings = DataSettings(train="builtin:docstrings", validation=0.1, test=0.02, labels="labels")
    dataset = load_data(settings, "multilabel", seed=0)
    rows = np.arange(800)
    train = dataset.train
    part = replace(train, inputs=take_inputs(train.inputs, rows), targets=train.targets[rows], rows=train.rows[rows])
    return replace(dataset, train=part)


@pytest.fixture(scope="module")
def run(configure: Any, prepare_for: Any) -> Callable[..., list[Measurement]]:
    """Return a function that trains on a data set with given settings, and with a fault put into the weights."""

    def train(dataset: Dataset, tamper: Tamper | None = None, *, epochs: float = 8, **chosen: Any) -> list[Measurement]:
        text = {"tokens.word.vocabulary": chosen.pop("vocabulary", 5000), "embedding.random.size": 24}
        text = text if dataset.inputs == "text" else {}
        common = {"hidden": 32, "learning_rate": 0.01, "max_length": 24} | chosen
        configuration = configure(text, inputs=dataset.inputs, **common)
        settings = replace(SETTINGS, max_epochs=epochs)
        trial = Trial(configuration, prepare_for(dataset, configuration), settings, seed=1)
        if tamper is not None:
            with torch.no_grad():
                tamper(trial.model)
        measurements = [trial.next_measurement()]
        while not measurements[-1].is_last:
            measurements.append(trial.next_measurement())
        return measurements

    return train


def scale_layers(factor: float) -> Tamper:
    def tamper(model: SequenceClassifier) -> None:
        for parameter in model.layers.parameters():
            parameter.mul_(factor)

    return tamper


def shut_gates(model: SequenceClassifier) -> None:
    for name, parameter in model.layers.named_parameters():
        if "bias_ih" in name:
            parameter.fill_(-20.0)


def latest(measurements: Sequence[Measurement], name: str) -> float:
    return [value for value in (measurement.health[name] for measurement in measurements) if not math.isnan(value)][-1]


def greatest(measurements: Sequence[Measurement], name: str) -> float:
    return max(value for value in (measurement.health[name] for measurement in measurements) if not math.isnan(value))


@pytest.mark.parametrize("chosen", [{}, {"cell": "gru", "averaging": "ema"}], ids=str)
def test_a_healthy_trial_shows_no_fault(chosen: dict[str, Any], digits: Dataset, run: Any) -> None:
    measurements = run(digits, **chosen)
    assert measurements[-1].score > 0.7
    assert measurements[-1].train_score > 0.8
    assert 0.05 < greatest(measurements, "gradient_ratio") < 10
    assert greatest(measurements, "gate_saturation") < 0.3
    assert greatest(measurements, "dead_units") == 0
    assert greatest(measurements, "tiny_gradient_share") == 0
    assert greatest(measurements, "gradient_norm_most") < 20
    assert measurements[-1].train_loss < 0.5 * measurements[0].train_loss
    assert measurements[-1].probability_spread > 0.1
    assert measurements[-1].truncated_share == 0


def test_a_learning_rate_far_too_high_shows_in_losses_and_gradients(digits: Dataset, run: Any) -> None:
    measurements = run(digits, epochs=3, learning_rate=10.0)
    assert latest(measurements, "clip_rate") > 0.9
    assert greatest(measurements, "gradient_norm_most") > 100
    assert greatest(measurements, "loss_spread") > 0.4
    assert latest(measurements, "train_loss") > 2 * math.log(10)
    assert latest(measurements, "gate_saturation") > 0.6


def test_a_learning_rate_far_too_low_leaves_the_loss_where_it_was_though_gradients_are_fine(
    digits: Dataset, run: Any
) -> None:
    measurements = run(digits, epochs=3, learning_rate=1e-7)
    assert measurements[-1].train_loss == pytest.approx(measurements[0].train_loss, rel=0.01)
    assert greatest(measurements, "loss_spread") < 0.03
    assert latest(measurements, "gradient_ratio") > 0.05
    assert min(measurement.gradient_norm_least for measurement in measurements) > 0.01
    assert measurements[-1].probability_spread < 0.02


def test_a_gradient_that_vanishes_on_its_way_down_shows_against_that_of_the_head(digits: Dataset, run: Any) -> None:
    measurements = run(digits, scale_layers(0.05), epochs=1, layers=6, learning_rate=1e-4)
    assert latest(measurements, "gradient_ratio") < 0.01
    assert measurements[-1].gradient_norm > 0.01  # the norm of the whole gradient does not show it


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_driven_to_their_ends_show_as_saturated(cell: str, digits: Dataset, run: Any) -> None:
    assert latest(run(digits, scale_layers(50), epochs=2, cell=cell), "gate_saturation") > 0.6


def test_gates_that_are_shut_leave_dead_units_and_flat_probabilities(digits: Dataset, run: Any) -> None:
    measurements = run(digits, shut_gates, epochs=1, learning_rate=1e-4)
    assert latest(measurements, "gate_saturation") > 0.9
    assert latest(measurements, "dead_units") > 0.9
    assert latest(measurements, "probability_spread") < 0.005


def test_too_much_dropout_keeps_the_score_low_on_rows_trained_on_too(docstrings: Dataset, run: Any) -> None:
    healthy, faulty = (run(docstrings, epochs=4, dropout=dropout, learning_rate=0.02)[-1] for dropout in (0.2, 0.95))
    assert healthy.train_score > 0.3
    assert faulty.train_score < 0.2
    assert faulty.train_score - faulty.score < 0.1 < healthy.train_score - healthy.score


def test_a_vocabulary_of_five_shows_in_the_share_of_unknown_tokens(docstrings: Dataset, run: Any) -> None:
    whole, cut = (run(docstrings, epochs=0.1, vocabulary=size)[0] for size in (5000, 5))
    assert whole.unknown_share < 0.25
    assert whole.empty_share == 0
    assert cut.unknown_share > 0.6
    assert cut.empty_share > 0.01


def test_rows_cut_to_one_step_show_as_truncated(digits: Dataset, docstrings: Dataset, run: Any) -> None:
    assert run(digits, epochs=0.1, max_length=1)[0].truncated_share == 1
    assert run(docstrings, epochs=0.1, max_length=1)[0].truncated_share > 0.95


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_health_has_every_measure_and_sequences_no_words(inputs: str, make_dataset: Any, run: Any) -> None:
    measurement = run(make_dataset("multiclass", inputs=inputs), epochs=1)[-1]
    assert set(measurement.health) == set(HEALTH)
    unknown = {name for name, value in measurement.health.items() if math.isnan(value)}
    assert unknown == (set() if inputs == "text" else {"unknown_share", "empty_share"})


def test_with_folds_measures_are_means_over_the_models(make_dataset: Any, run: Any) -> None:
    dataset = make_dataset("multiclass", folds=3)
    measurement = run(dataset, epochs=1, max_length=4)[-1]
    lengths = np.array([len(text.split()) for text in dataset.train.inputs])
    assert measurement.truncated_share == pytest.approx((lengths > 4).mean(), abs=0.01)
    assert all(math.isfinite(measurement.health[name]) for name in HEALTH)


def test_a_trial_that_diverges_reports_its_last_finite_steps(digits: Dataset, run: Any) -> None:
    measurement = run(digits, clipping="none", learning_rate=1e38)[-1]
    assert measurement.diverged_at_step is not None
    assert math.isfinite(measurement.gradient_norm_least)
    assert math.isnan(measurement.train_score)
    assert measurement.truncated_share == 0


def test_checking_a_models_health_does_not_change_its_training(
    make_dataset: Any, configure: Any, prepare_for: Any
) -> None:
    configuration = configure(dropout=0.3, averaging="ema")
    data = prepare_for(make_dataset("multilabel"), configuration)
    seldom, often = (Trial(configuration, data, SETTINGS, seed=1) for _ in range(2))
    for _ in range(4):
        one, other = seldom.next_measurement(), often.next_measurement()
        assert (one.score, one.train_loss) == (other.score, other.train_loss)
        assert math.isfinite(often._check_health(replace(other, is_last=True))["train_score"])
    assert all(torch.equal(a, b) for a, b in zip(seldom.model.parameters(), often.model.parameters(), strict=True))
