"""Plan a search: its rungs, trials and time, estimated from a short calibration on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tuner.data.trial_data import TrialData
from tuner.pruners.asha import rung_epochs
from tuner.samplers.base import UntriedSampler
from tuner.samplers.random import RandomSampler
from tuner.search.memory_estimate import count_workers
from tuner.search.order_maker import derive_seed
from tuner.search.reading import measure_closing_work, read_data
from tuner.search.time_budget import closing_seconds, finalists_seconds
from tuner.space.configuration import Configuration
from tuner.space.counting import count_configurations, describe_size
from tuner.space.load import Space
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

_CONFIGURATIONS = 5
_EXAMPLES = 2_000
_STARTING_S = 8.0  # for Ray, workers and their imports


def list_rungs(space: Space) -> list[tuple[float, float]]:
    """Return each rung's epochs and the share of trials that train that far; the last row is the full budget.

    The share falls by 1 / reduction_factor from rung to rung. Real ASHA lets more trials through, because it decides before
    it has seen all of them. The difference is largest in a short search.
    """
    search = space.search
    epochs = rung_epochs(
        grace_epochs=search.grace_epochs, reduction_factor=search.reduction_factor, max_epochs=search.max_epochs
    )
    return [(at, search.reduction_factor**-place) for place, at in enumerate((*epochs, search.max_epochs))]


def make_plan(space: Space, say: Callable[[str], None]) -> dict[str, Any]:
    """Train some sampled configurations for a moment each, and estimate what the budget holds."""
    space, dataset, data = read_data(space, say)
    for note in dataset.notes:
        say(f"note: {note}")
    search, slots = space.search, count_workers(space)
    settings = count_configurations(space.parameters)
    sampler = UntriedSampler(RandomSampler(space.parameters, seed=search.seed), space.parameters, seed=search.seed)
    sampled = _at_most(settings, _CONFIGURATIONS)
    measured = [_calibrate(sampler.ask(index), data, space) for index in range(sampled)]
    epoch_s = [seconds for seconds, _ in measured]
    median = float(np.median(epoch_s))
    steps = list_rungs(space)
    trial_epochs = _epochs_per_trial(steps)
    finalists = _at_most(settings, search.finalists)
    finalists_s = finalists_seconds([median * search.max_epochs] * finalists, seeds=search.seeds, slots=slots)
    closing_s = closing_seconds(
        measure_closing_work(dataset, space),
        finalists=finalists,
        seeds=search.seeds,
        predict_s=float(np.median([predict_s for _, predict_s in measured])),
    )
    overhead_s = _STARTING_S + closing_s + finalists_s
    trials = search.trials
    if search.seconds is not None:
        fit = int(max(0.0, search.seconds - overhead_s) * slots / (trial_epochs * median))
        trials = fit if trials is None else min(trials, fit)
    assert trials is not None  # a space limits either trials or time
    trials = _at_most(settings, trials)
    search_s = trials * trial_epochs * median / slots
    return {
        "rungs": [{"epochs": epochs, "share_of_trials": share, "seconds": epochs * median} for epochs, share in steps],
        "seconds_per_epoch": {"median": median, "least": min(epoch_s), "most": max(epoch_s)},
        "slots": slots,
        "settings": settings,
        "trials": trials,
        "seconds": {"search": search_s, "finalists": finalists_s, "total": search_s + overhead_s},
        "sentences": [
            f"an epoch of {len(dataset.train):,} examples takes {median:.1f} s "
            f"({min(epoch_s):.1f} to {max(epoch_s):.1f} over {sampled} sampled configurations)",
            *_describe_settings(space, trials),
            f"{slots} trials run side by side; the budget holds at most about {trials} trials, of {trial_epochs:.2f} epochs on "
            "average; ASHA stops fewer trials early while the sampler still finds better configurations",
            f"the search takes {search_s:.0f} s, then {finalists} finalists × {search.seeds} seeds take "
            f"{finalists_s:.0f} s; about {search_s + overhead_s:.0f} s in all",
        ],
    }


def _at_most(settings: int | None, number: int) -> int:
    return number if settings is None else min(settings, number)


def _describe_settings(space: Space, trials: int) -> list[str]:
    """Say how many settings a space has, and whether they end the search; nothing if there are infinitely many."""
    size = describe_size(space.parameters)
    if size is None:
        return []
    is_limit = trials == count_configurations(space.parameters)
    return [f"{size}; the search ends once all have been tried" if is_limit else size]


def _epochs_per_trial(steps: Sequence[tuple[float, float]]) -> float:
    """Return the mean epochs of a trial if ASHA stops as many trials as it should at every rung."""
    reached = [0.0, *(epochs for epochs, _ in steps)]
    return sum((after - before) * share for before, (after, share) in zip(reached, steps, strict=False))


def _calibrate(configuration: Configuration, data: TrialData, space: Space) -> tuple[float, float]:
    """Return the seconds for an epoch and for evaluating a row, measured on a short trial.

    Skip the first measurement, because it includes building kernels.
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
