"""Plan a search: its rungs, trials and time, estimated from a short calibration on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tuner.data.dataset import Dataset
from tuner.errors import Fault, SpaceError
from tuner.pruners.asha import rung_epochs
from tuner.samplers.base import UntriedSampler
from tuner.samplers.random import RandomSampler
from tuner.search.calibration import TrialCost, calibrators, measure_costs
from tuner.search.memory_estimate import count_workers
from tuner.search.reading import measure_closing_work, read_data
from tuner.search.simulation import Course, Scene, foresee, least_seconds
from tuner.search.sizing import settle
from tuner.search.time_budget import closing_seconds
from tuner.show_value import show_count, show_duration
from tuner.space.assignment import set_option
from tuner.space.counting import count_configurations, describe_size
from tuner.space.load import Space
from tuner.trial.order import TrialSettings

_SAMPLED = 60  # configurations to choose the measured ones from
_LATE_S = 3.0  # over the budget; less is not worth a sentence
_SLOWER = 1.1  # a search besides runs Ray, its driver and the object store
# Seconds on an idle core.
_RAY_S = 5.0  # to start Ray
_WORKERS_S = 3.0  # from there, or from the prepared rows, to the first trial
_BASELINES_S = 2.5  # to import scikit-learn, and for the rules
_BASELINE_CHARACTER_S = 1e-6
_BASELINE_LABEL_S = 3.5e-8  # for each character and label
_SEQUENCE_VALUE_S = 1e-6
_ROUNDED_TO_S = 15  # a suggested budget


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
    """Train some sampled configurations for a moment each, and estimate what the budget holds.

    Raises SpaceError if the time is too short for one trial; the error says how long would be enough.
    """
    begun_s = time.monotonic()
    slots = count_workers(space)
    with calibrators(slots) as pool:
        space, dataset, data = read_data(space, say)
        space = settle(space, len(dataset.train))
        reading_s = time.monotonic() - begun_s
        for note in dataset.notes:
            say(f"note: {note}")
        settings = count_configurations(space.parameters)
        sampled = _sample(space, _at_most(settings, _SAMPLED))
        costs = measure_costs(pool, sampled, data, _trial_settings(space), slots=slots)
    scene = _set_scene(space, dataset, costs, reading_s=reading_s, slots=slots, settings=settings)
    course = foresee(scene, space.search.seconds)
    if not course.trials:
        raise SpaceError([_too_short(space, scene)])
    return _describe(space, scene, course, settings)


def _sample(space: Space, count: int) -> list[Any]:
    search = space.search
    sampler = UntriedSampler(RandomSampler(space.parameters, seed=search.seed), space.parameters, seed=search.seed)
    return [sampler.ask(index) for index in range(count)]


def _trial_settings(space: Space) -> TrialSettings:
    return TrialSettings(
        max_epochs=space.search.max_epochs,
        reports_per_epoch=space.search.reports_per_epoch,
        penalty_weight=space.score.penalty_weight,
        threads=max(1, int(space.resources.cpus)),
    )


def _set_scene(
    space: Space,
    dataset: Dataset,
    costs: Sequence[TrialCost],
    *,
    reading_s: float,
    slots: int,
    settings: int | None,
) -> Scene:
    """Say what the search has to work with, on a machine as busy as it is now."""
    search, work = space.search, measure_closing_work(dataset, space)
    load = float(np.median([cost.load for cost in costs]))
    finalists = _at_most(settings, search.finalists)
    predict_s = float(np.median([cost.row_s for cost in costs]))
    limits = [each for each in (search.trials, settings) if each is not None]
    starting_s = max(reading_s, load * _RAY_S) + load * _WORKERS_S
    return Scene(
        search=search,
        costs=[_slowed(cost) for cost in costs],
        rows=len(dataset.train),
        validation_rows=work.validation,
        slots=slots,
        starting_s=starting_s,
        baselines_s=starting_s + load * _estimate_baselines(dataset),
        closing_s=closing_seconds(work, finalists=finalists, seeds=search.seeds, predict_s=predict_s, slowdown=load),
        trials=min(limits, default=None),
        finalists=finalists,
    )


def _slowed(cost: TrialCost) -> TrialCost:
    return TrialCost(
        build_s=_SLOWER * cost.build_s, example_s=_SLOWER * cost.example_s, row_s=_SLOWER * cost.row_s, load=cost.load
    )


def _estimate_baselines(dataset: Dataset) -> float:
    """Return about how long the baselines take on an idle core."""
    inputs, labels = dataset.train.inputs, len(dataset.labels)
    rounds = 1 if dataset.folds is None else int(dataset.folds.max()) + 2
    if isinstance(inputs, tuple):
        models = labels if dataset.task == "multilabel" else max(1, labels - 1)
        fitted_s = sum(map(len, inputs)) * (_BASELINE_CHARACTER_S + models * _BASELINE_LABEL_S)
    else:
        fitted_s = float(sum(inputs.lengths)) * inputs.channels * labels * _SEQUENCE_VALUE_S
    return _BASELINES_S + rounds * fitted_s


def _too_short(space: Space, scene: Scene) -> Fault:
    """Return the fault of a time limit that holds no trial, with one that does."""
    search = space.search
    assert search.seconds is not None  # without a time limit every search has a trial
    needed_s = _ROUNDED_TO_S * math.ceil(1.3 * least_seconds(scene) / _ROUNDED_TO_S)
    what = (
        f"search.{search.tightest} allows {show_duration(search.seconds)}, in which no trial would be measured: the first one "
        f"starts after about {show_duration(scene.starting_s)}, and finalists and closing need the last part of the time"
    )
    if search.tightest == "time":
        remedy = f"allow at least {show_duration(needed_s)}: {set_option('search.time', f'{needed_s}s')}"
    else:
        cost = math.ceil(100 * needed_s / 3600 * (search.cost_per_hour or 0.0)) / 100
        remedy = f"allow at least {show_duration(needed_s)}: {set_option('search.cost', cost)}"
    place = space.document.place(("search", search.tightest))
    return Fault(place.text, what, remedy)


def _describe(space: Space, scene: Scene, course: Course, settings: int | None) -> dict[str, Any]:
    search, rows = space.search, scene.rows
    validation_s = search.reports_per_epoch * scene.validation_rows
    epoch_s = [cost.example_s * rows + cost.row_s * validation_s for cost in scene.costs]
    middle = float(np.median(epoch_s))
    search_s = max(0.0, course.search_s - scene.starting_s)
    return {
        "rungs": [
            {"epochs": epochs, "share_of_trials": share, "seconds": epochs * middle}
            for epochs, share in list_rungs(space)
        ],
        "seconds_per_epoch": {"median": middle, "least": min(epoch_s), "most": max(epoch_s)},
        "slots": scene.slots,
        "settings": settings,
        "trials": course.trials,
        "seconds": {"search": search_s, "finalists": course.finalists_s, "total": course.total_s},
        "sentences": [
            f"an epoch of {rows:,} examples takes {_show(middle)} ({_show(min(epoch_s))} to {_show(max(epoch_s))}, measured on "
            f"{len(epoch_s)} configurations)",
            *_describe_settings(space, course.trials),
            f"the search tries about {show_count(course.trials, 'trial')}, {scene.slots} side by side; most stop at the first "
            "rung",
            *_describe_cut(scene, course),
            f"starting takes {show_duration(scene.starting_s)} and the search {show_duration(search_s)}, then "
            f"{show_count(course.finalists, 'finalist')} × {show_count(course.seeds, 'seed')} take "
            f"{show_duration(course.finalists_s)} and closing {show_duration(scene.closing_s)}; about "
            f"{show_duration(course.total_s)} in all",
            *describe_excess(scene, course),
        ],
    }


def _describe_cut(scene: Scene, course: Course) -> list[str]:
    """Say what the time allows if it does not allow all finalists."""
    wanted, fit = (min(scene.finalists, course.trials), scene.search.seeds), (course.finalists, course.seeds)
    if fit == wanted:
        return []
    return [f"the time allows {fit[0]} × {fit[1]} instead of {wanted[0]} × {wanted[1]} finalists' runs"]


def describe_excess(scene: Scene, course: Course) -> list[str]:
    """Say if the run would end after its time."""
    limit_s = scene.search.seconds
    if limit_s is None or course.total_s <= limit_s + _LATE_S:
        return []
    return [
        f"that is more than search.{scene.search.tightest} allows, which is {show_duration(limit_s)}: the run would end late"
    ]


def _show(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else show_duration(seconds)


def _at_most(settings: int | None, number: int) -> int:
    return number if settings is None else min(settings, number)


def _describe_settings(space: Space, trials: int) -> list[str]:
    """Say how many settings a space has, and whether they end the search; nothing if there are infinitely many."""
    size = describe_size(space.parameters)
    if size is None:
        return []
    is_limit = trials == count_configurations(space.parameters)
    return [f"{size}; the search ends once all have been tried" if is_limit else size]
