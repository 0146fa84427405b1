"""A trial measures at the promised examples, ends at its budget, and repeats itself with the same seed."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from tuner.data.dataset import Dataset, Split
from tuner.data.preparation import preparation_setting
from tuner.data.trial_data import TrialData
from tuner.pruners.gate import logit_spread
from tuner.trial.measurement import Measurement
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

SETTINGS = TrialSettings(max_epochs=3, reports_per_epoch=2, penalty_weight=1.0)
ROWS = 96


@pytest.fixture
def data(make_dataset: Any, configure: Any, prepare_for: Any) -> TrialData:
    return prepare_for(make_dataset("multilabel", rows=ROWS), configure())


def run(configuration: Any, data: TrialData, *, settings: TrialSettings = SETTINGS, seed: int = 1) -> list[Measurement]:
    """All measurements of a trial."""
    trial = Trial(configuration, data, settings, seed=seed)
    measurements = [trial.next_measurement()]
    while not measurements[-1].is_last:
        assert len(measurements) < 100
        measurements.append(trial.next_measurement())
    return measurements


def without_seconds(measurement: Measurement) -> dict[str, Any]:
    fields = asdict(measurement)
    return {name: value for name, value in fields.items() if not name.endswith("seconds")}


@pytest.mark.parametrize("reports_per_epoch", [1, 2, 3])
@pytest.mark.parametrize("resampling", ["none", "oversample", "undersample", "balanced_batches"])
def test_measurements_come_at_equal_shares_of_the_training_split_to_within_a_batch(
    reports_per_epoch: int, resampling: str, data: TrialData, configure: Any
) -> None:
    settings = replace(SETTINGS, reports_per_epoch=reports_per_epoch)
    measurements = run(configure(resampling=resampling, batch_size=8), data, settings=settings)
    promised = [round(number * ROWS / reports_per_epoch) for number in range(1, 3 * reports_per_epoch + 1)]
    assert len(measurements) == len(promised)
    assert all(
        0 <= measurement.examples - examples < 8 for measurement, examples in zip(measurements, promised, strict=True)
    )
    assert [measurement.epochs for measurement in measurements] == [
        measurement.examples / ROWS for measurement in measurements
    ]


def test_only_the_measurement_at_the_budget_is_the_last(data: TrialData, configure: Any) -> None:
    measurements = run(configure(), data)
    assert [measurement.is_last for measurement in measurements] == [False] * 5 + [True]
    assert measurements[-1].epochs == pytest.approx(3, abs=16 / ROWS)


def test_a_budget_between_two_reporting_points_is_kept(data: TrialData, configure: Any) -> None:
    measurements = run(configure(batch_size=8), data, settings=replace(SETTINGS, max_epochs=1.25))
    assert [measurement.examples for measurement in measurements] == [48, 96, 120]


def test_the_logit_spread_counts_only_labels_whose_truth_varies(data: TrialData, configure: Any) -> None:
    truth = data.validation_truth.copy()
    truth[:, 1:] = True
    trial = Trial(configure(), replace(data, validation_truth=truth), SETTINGS, seed=1)
    measurement = trial.next_measurement()
    assert trial.probabilities is not None
    assert measurement.logit_spread == pytest.approx(logit_spread(trial.probabilities[:, :1]))


@pytest.mark.parametrize("folds", [0, 3])
def test_a_trial_that_pauses_after_each_step_measures_the_same(
    folds: int, make_dataset: Any, configure: Any, prepare_for: Any
) -> None:
    configuration = configure(batch_size=16)
    data = prepare_for(make_dataset("multilabel", rows=ROWS, folds=folds), configuration)
    trial, measurements, pauses = Trial(configuration, data, SETTINGS, seed=1), [], 0
    while not measurements or not measurements[-1].is_last:
        ticks = itertools.count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.perf_counter", lambda ticks=ticks: float(next(ticks)))
            is_paused = trial.advance(pause_at=1.0)
        pauses += is_paused
        if not is_paused:
            measurements.append(trial.measure())
    assert pauses > len(measurements)
    assert [without_seconds(each) for each in measurements] == [
        without_seconds(each) for each in run(configuration, data)
    ]


def test_a_measurement_before_its_time_does_not_take_the_place_of_the_next(data: TrialData, configure: Any) -> None:
    trial = Trial(configure(batch_size=8), data, SETTINGS, seed=1)
    trial.advance(pause_at=0.0)
    early = trial.measure()
    assert early.examples == 0
    assert [trial.next_measurement().examples for _ in range(2)] == [48, 96]


@pytest.mark.parametrize("batch_size", [64, 96, 1000])
def test_a_batch_larger_than_the_reporting_interval_still_ends_at_the_budget(
    batch_size: int, data: TrialData, configure: Any
) -> None:
    measurements = run(configure(batch_size=batch_size), data, settings=replace(SETTINGS, reports_per_epoch=6))
    examples = [measurement.examples for measurement in measurements]
    assert examples == sorted(set(examples))  # each measurement follows more training than the one before
    assert all(measurement.steps > 0 for measurement in measurements)
    assert 3 * ROWS <= examples[-1] < 3 * ROWS + batch_size


def test_oversampling_with_a_large_batch_still_ends_at_the_budget(data: TrialData, configure: Any) -> None:
    measurements = run(configure(resampling="oversample", batch_size=500), data)
    assert measurements[-1].examples >= 3 * ROWS


def test_the_same_seed_gives_the_same_measurements(data: TrialData, configure: Any) -> None:
    configuration = configure(embedding_dropout=0.2, dropout=0.4, resampling="oversample")
    first, again = (run(configuration, data) for _ in range(2))
    assert [without_seconds(measurement) for measurement in first] == [
        without_seconds(measurement) for measurement in again
    ]


EVERY_STREAM = {
    "embedding_dropout": 0.2,
    "layer_dropout": 0.2,
    "weight_dropout": 0.2,
    "dropout": 0.4,
    "layers": 2,
    "resampling": "oversample",
    "token_dropout": 0.1,
    "token_replacement": 0.1,
    "mixup": 0.3,
    "clipping": "quantile",
    "averaging": "ema",
    "precision": "auto",
}


def test_two_trials_in_turn_measure_what_each_measures_alone(data: TrialData, configure: Any) -> None:
    alone = run(configure(**EVERY_STREAM), data)
    trials = [Trial(configure(**EVERY_STREAM), data, SETTINGS, seed=seed) for seed in (1, 2)]
    in_turn = [tuple(trial.next_measurement() for trial in trials) for _ in alone]
    assert repr([without_seconds(measurement) for measurement, _ in in_turn]) == repr(
        [without_seconds(measurement) for measurement in alone]
    )


_TRIAL_SCRIPT = """
import pickle, sys
from dataclasses import asdict
configuration, data, settings = pickle.load(sys.stdin.buffer)
from tuner.trial.trial import Trial
trial = Trial(configuration, data, settings, seed=1)
while True:
    measurement = trial.next_measurement()
    print({name: value for name, value in asdict(measurement).items() if not name.endswith("seconds")})
    if measurement.is_last:
        break
"""


def test_another_process_gives_the_same_measurements(data: TrialData, configure: Any) -> None:
    configuration = configure(**EVERY_STREAM)
    expected = "".join(f"{without_seconds(measurement)}\n" for measurement in run(configuration, data))
    done = subprocess.run(
        [sys.executable, "-c", _TRIAL_SCRIPT],
        input=pickle.dumps((configuration, data, SETTINGS)),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == expected


def test_another_seed_gives_other_measurements(data: TrialData, configure: Any) -> None:
    first, other = (run(configure(), data, seed=seed) for seed in (1, 2))
    assert all(one.train_loss != two.train_loss for one, two in zip(first, other, strict=True))


def test_a_huge_learning_rate_diverges_and_says_where(data: TrialData, configure: Any) -> None:
    *before, last = run(configure(optimiser="adam", clipping="none", learning_rate=1e38), data)
    assert last.is_last
    assert last.diverged_at_step is not None
    assert last.diverged_at_step <= sum(measurement.steps for measurement in [*before, last])
    assert math.isnan(last.score)
    assert not last.signs.is_finite
    assert all(math.isfinite(measurement.score) for measurement in before)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_a_trial_learns_what_the_rows_show(
    inputs: str, task: str, make_dataset: Any, configure: Any, prepare_for: Any
) -> None:
    configuration = configure(inputs=inputs, hidden=16, learning_rate=0.02, dropout=0.0)
    data = prepare_for(make_dataset(task, rows=200, inputs=inputs), configuration)
    measurements = run(configuration, data, settings=replace(SETTINGS, max_epochs=16))
    best = max(measurements, key=lambda measurement: measurement.score)
    assert best.score > 0.9
    assert best.skill > 0.2
    assert best.auc > 0.95


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_label_never_seen_in_training_leaves_every_measure_finite(
    task: str, make_dataset: Any, configure: Any, prepare_for: Any
) -> None:
    dataset = make_dataset(task)
    train = dataset.train
    has_last = train.targets[:, -1] == 1 if task == "multilabel" else train.targets == len(dataset.labels) - 1
    kept = np.flatnonzero(~has_last)
    train = Split(
        tuple(train.inputs[row] for row in kept),
        train.targets[kept],
        train.rows[kept],
        train.source,
        train.blocks[kept],
    )
    seen = np.arange(len(dataset.labels)) < len(dataset.labels) - 1
    data = prepare_for(replace(dataset, train=train, seen=seen), configure())
    measurement = asdict(run(configure(loss_weights="balanced", resampling="balanced_batches"), data)[-1])
    # There are no folds and no pre-trained vectors, and none of the last six steps is a 20th one.
    unknown = ("score_spread", "vocabulary_found", "gradient_ratio")
    measured = {name: value for name, value in measurement.items() if name not in unknown}
    assert all(math.isfinite(value) for value in measured.values() if isinstance(value, float)), measured


def test_a_trial_sees_nothing_of_the_test_split(make_dataset: Any, configure: Any, prepare_for: Any) -> None:
    dataset: Dataset = make_dataset("multilabel")
    flipped = replace(
        dataset.test, inputs=tuple(f"{text} sealed" for text in dataset.test.inputs), targets=1 - dataset.test.targets
    )
    seen, unsealed = (prepare_for(each, configure()) for each in (dataset, replace(dataset, test=flipped)))
    assert pickle.dumps(seen) == pickle.dumps(unsealed)


def test_tokenisers_are_fitted_on_training_texts_only(make_dataset: Any, configure: Any, prepare_for: Any) -> None:
    dataset: Dataset = make_dataset("multilabel")
    other = replace(dataset.validation, inputs=tuple("unheard words" for _ in dataset.validation.inputs))
    (first,), (second,) = (
        prepare_for(each, configure()).prepared[preparation_setting(configure())]
        for each in (dataset, replace(dataset, validation=other))
    )
    assert first.counts is not None
    assert second.counts is not None
    assert first.counts.tolist() == second.counts.tolist()
    assert set(second.validation.steps.tolist()) == {1}


@pytest.mark.parametrize("change", [{"tokens.word.min_count": 20}, {"max_length": 2}])
def test_a_smaller_vocabulary_or_length_limits_what_a_trial_reads(
    change: dict[str, int], data: TrialData, configure: Any
) -> None:
    whole, cut = (Trial(configure(each), data, SETTINGS, seed=1) for each in ({}, change))
    if "max_length" in change:
        assert cut._kept.validation.lengths.max() == 2
    else:
        assert cut.model.embedding.num_embeddings < whole.model.embedding.num_embeddings


def test_parameters_counts_every_number_of_the_model(data: TrialData, configure: Any) -> None:
    trial = Trial(configure(directions=1), data, SETTINGS, seed=1)
    vocabulary = trial.model.embedding.num_embeddings
    assert trial.parameters == vocabulary * 8 + 4 * 6 * (8 + 6 + 2) + 6 * 3 + 3


FOLDS = 3


@pytest.fixture
def folded(make_dataset: Any, configure: Any, prepare_for: Any) -> TrialData:
    return prepare_for(make_dataset("multiclass", rows=ROWS, folds=FOLDS), configure())


def test_with_folds_a_measurement_is_the_mean_over_models_judged_on_rows_they_did_not_see(
    folded: TrialData, configure: Any
) -> None:
    trial = Trial(configure(), folded, SETTINGS, seed=1)
    measurement = trial.next_measurement()
    assert len(trial._fold_models) == FOLDS
    assert sorted(np.concatenate([fold_model.judged for fold_model in trial._fold_models]).tolist()) == list(
        range(ROWS)
    )
    assert measurement.score_spread > 0
    assert measurement.epochs == pytest.approx(0.5, abs=16 / ROWS)
    assert trial.probabilities is not None
    np.testing.assert_allclose(trial.probabilities.sum(1), 1, atol=1e-6)


def test_with_folds_the_model_to_keep_is_trained_on_every_row_and_changes_no_measurement(
    folded: TrialData, configure: Any
) -> None:
    plain, final = (Trial(configure(), folded, SETTINGS, seed=1, is_final=is_final) for is_final in (False, True))
    measurements = [trial.next_measurement() for trial in (plain, final)]
    assert final._kept.size == ROWS
    assert len(final._kept.judged) == 0
    assert measurements[0].score == measurements[1].score


@pytest.mark.parametrize("resampling", ["smote", "edited_nearest_neighbours"])
def test_with_folds_neighbours_are_sought_among_the_rows_that_are_trained_on(
    resampling: str, make_dataset: Any, configure: Any, prepare_for: Any
) -> None:
    configuration = configure({f"resampling.{resampling}.neighbours": 2}, resampling=resampling)
    data = prepare_for(make_dataset("multiclass", rows=ROWS, folds=FOLDS), configuration)
    measurement = Trial(configuration, data, SETTINGS, seed=1).next_measurement()
    assert measurement.diverged_at_step is None


def test_patience_ends_a_trial_whose_score_no_longer_rises(data: TrialData, configure: Any) -> None:
    settings = replace(SETTINGS, max_epochs=50, patience=3)
    measurements = run(configure(learning_rate=1e-7), data, settings=settings)
    best = max(range(len(measurements)), key=lambda place: measurements[place].score)
    assert len(measurements) - 1 - best == 3
    assert measurements[-1].epochs < 50


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_a_trial_is_judged_by_averaged_weights_and_trains_on_without_them(
    averaging: str, data: TrialData, configure: Any
) -> None:
    trial = Trial(configure(averaging=averaging, learning_rate=0.05), data, SETTINGS, seed=1)
    while not trial.next_measurement().is_last:
        pass
    trained = trial.model.head.weight.detach().clone()
    with trial.averaged():
        assert not np.allclose(trial.model.head.weight.detach(), trained)
    assert np.array_equal(trial.model.head.weight.detach(), trained)
