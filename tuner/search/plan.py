"""What a search would do: its rungs, its trials, its time, from a short calibration on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tuner.data.trial_data import TrialData
from tuner.pruners.asha import rung_epochs
from tuner.samplers.sampler import RandomSampler
from tuner.search.memory_estimate import count_workers
from tuner.search.reading import read_data, sizes_of
from tuner.search.time_budget import closing_seconds, finalists_seconds
from tuner.search.trial_queue import derive_seed
from tuner.space.configuration import Configuration
from tuner.space.load import Space
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

_CONFIGURATIONS = 5
_EXAMPLES = 2_000
_STARTING_S = 8.0  # Ray, workers and their imports


def rungs(space: Space) -> list[tuple[float, float]]:
    """Return each rung's epochs and the share of trials that train that far; the last is the full budget.

    The share is the ideal one, 1 / reduction_factor from rung to rung. Real ASHA decides before it has seen all trials and
    lets more through, above all in a search of few trials.
    """
    search = space.search
    epochs = rung_epochs(
        grace_epochs=search.grace_epochs, reduction_factor=search.reduction_factor, max_epochs=search.max_epochs
    )
    return [(at, search.reduction_factor**-place) for place, at in enumerate((*epochs, search.max_epochs))]


def make_plan(space: Space, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure some sampled configurations for a moment each and work out what the budget holds."""
    dataset, data = read_data(space, say)
    sampler = RandomSampler(space.parameters, seed=space.search.seed)
    measured = [_calibrate(sampler.ask(index), data, space) for index in range(_CONFIGURATIONS)]
    epoch_s = [epoch for epoch, _ in measured]
    median = float(np.median(epoch_s))
    slots = count_workers(space)
    steps = rungs(space)
    reached = [0.0, *(epochs for epochs, _ in steps)]
    epochs_a_trial = sum((after - before) * share for before, (after, share) in zip(reached, steps, strict=False))
    full = median * space.search.max_epochs
    finalists_s = finalists_seconds([full] * space.search.finalists, seeds=space.search.seeds, slots=slots)
    closing_s = closing_seconds(
        sizes_of(dataset, space),
        finalists=space.search.finalists,
        seeds=space.search.seeds,
        predict_s=float(np.median([predict for _, predict in measured])),
    )
    overhead_s = _STARTING_S + closing_s + finalists_s
    trials = space.search.trials
    if space.search.seconds is not None:
        fit = int(max(0.0, space.search.seconds - overhead_s) * slots / (epochs_a_trial * median))
        trials = fit if trials is None else min(trials, fit)
    assert trials is not None  # a space has a limit of one kind or the other
    search_s = trials * epochs_a_trial * median / slots
    return {
        "rungs": [{"epochs": epochs, "share_of_trials": share, "seconds": epochs * median} for epochs, share in steps],
        "seconds_per_epoch": {"median": median, "least": min(epoch_s), "most": max(epoch_s)},
        "slots": slots,
        "trials": trials,
        "seconds": {"search": search_s, "finalists": finalists_s, "total": search_s + overhead_s},
        "sentences": [
            f"an epoch of {len(dataset.train):,} examples takes {median:.1f} s "
            f"({min(epoch_s):.1f} to {max(epoch_s):.1f} over {_CONFIGURATIONS} sampled configurations)",
            f"{slots} trials side by side; at most about {trials} trials, {epochs_a_trial:.2f} epochs each on average if ASHA "
            "stops its full share; while the sampler still finds better configurations it stops fewer",
            f"search {search_s:.0f} s, then {space.search.finalists} finalists × {space.search.seeds} seeds "
            f"{finalists_s:.0f} s; about {search_s + overhead_s:.0f} s in all",
        ],
    }


def _calibrate(configuration: Configuration, data: TrialData, space: Space) -> tuple[float, float]:
    """Return the seconds of an epoch, and of evaluating a row, from a trial over some examples.

    Its first report is left out, which pays for kernels being built.
    """
    rows = len(data.train_targets)
    settings = TrialSettings(
        max_epochs=2.0,
        reports_per_epoch=max(1, rows // _EXAMPLES),
        penalty_weight=space.score.penalty_weight,
        threads=int(space.resources.cpus),
    )
    trial = Trial(configuration, data, settings, seed=derive_seed(space.search.seed, 0))
    first = trial.next_measurement()
    measurement = trial.next_measurement()
    training_s = measurement.train_seconds * rows / max(measurement.examples - first.examples, 1)
    evaluating_s = measurement.evaluate_seconds * space.search.reports_per_epoch
    return training_s + evaluating_s, measurement.evaluate_seconds / len(data.validation_truth)
