"""Plan a search: its rungs, trials and time, estimated from a short calibration on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData
from tuner.machine import has_gpus
from tuner.pruners.asha import rung_epochs
from tuner.search.calibration import Workers, calibrators, measure_costs
from tuner.search.memory_estimate import count_workers
from tuner.search.reading import read_data
from tuner.search.scene import RAY_S, WORKERS_S, set_scene
from tuner.search.simulation import Course, Scene, foresee
from tuner.search.size_plan import SizePlan, plan_sizes, refuse_no_trial
from tuner.search.trial_cost import CostGuess, TrialCost, sample_configurations
from tuner.show_value import show_count, show_duration
from tuner.space.auto import are_gpus_left_to_search
from tuner.space.counting import count_configurations, describe_size
from tuner.space.load import Space
from tuner.training.device import device_of
from tuner.trial.order import TrialSettings

_LATE_S = 3.0  # over the budget; less is not worth a sentence
_SLOWER = 1.1  # a search besides runs Ray, its driver and the object store


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


def make_plan(space: Space, say: Callable[[str], None], *, address: str | None = None) -> dict[str, Any]:
    """Train some sampled configurations for a moment each, and estimate what the budget holds.

    They train on this machine, or on the cluster at `address`. Raises SpaceError if the time is too short for one trial; the
    error says how long would be enough.
    """
    begun_s = time.monotonic()
    with _workers(space, address, say) as (space, dataset, data, pool, slots):
        reading_s = time.monotonic() - begun_s
        for note in dataset.notes:
            say(f"note: {note}")
        guess = CostGuess(configurations=sample_configurations(space), data=data)
        measured = measure_costs(pool, guess.configurations, data, _trial_settings(space), slots=slots)
    costs = [_slowed(cost) for cost in measured]
    load = float(np.median([cost.load for cost in costs]))
    starting_s = max(reading_s, load * RAY_S) + load * WORKERS_S
    sizes = plan_sizes(space, dataset, partial(guess.rescaled, costs), starting_s=starting_s, slots=slots)
    space = sizes.space if sizes else space
    scene = sizes.scene if sizes else set_scene(space, dataset, costs, starting_s=starting_s, slots=slots)
    course = sizes.course if sizes else foresee(scene, space.search.seconds)
    refuse_no_trial(space, scene, course)
    return {**_describe(space, scene, course, sizes), "settled": dict(sizes.settings) if sizes else {}}


@contextmanager
def _workers(
    space: Space, address: str | None, say: Callable[[str], None]
) -> Iterator[tuple[Space, Dataset, TrialData, Workers, int]]:
    """Read the data, and yield the space as it will run, the data, workers to measure costs on, and the number of slots.

    A search on CPUs of this machine needs no Ray to be planned, so its plan does without.
    """
    uses_gpus = has_gpus() and (space.resources.gpus or are_gpus_left_to_search(space.document))
    if address is None and not uses_gpus:
        slots = count_workers(space)
        with calibrators(slots) as pool:
            yield (*read_data(space, say), pool, slots)
        return
    from tuner.ray_backend.task_pool import TaskPool
    from tuner.search.gpus import settle_gpus
    from tuner.search.search_data import count_slots, read_beside_ray
    from tuner.search.watcher import Watcher

    with read_beside_ray(space, None, address, Watcher(say, lambda _: None)) as (adapted, found):
        for note in found.machines.notes:
            say(f"note: {note}")
        settled, _ = settle_gpus(adapted, found.prepared, found.machines, say)
        slots = count_slots(settled, found.machines)
        yield settled, found.dataset, found.prepared, TaskPool(settled.resources), slots


def _trial_settings(space: Space) -> TrialSettings:
    return TrialSettings(
        max_epochs=space.search.max_epochs,
        reports_per_epoch=space.search.reports_per_epoch,
        penalty_weight=space.score.penalty_weight,
        threads=max(1, int(space.resources.cpus)),
        device=device_of(space.resources.gpus),
        gpu_share=space.resources.gpus,
    )


def _slowed(cost: TrialCost) -> TrialCost:
    return replace(cost, build_s=_SLOWER * cost.build_s, example_s=_SLOWER * cost.example_s, row_s=_SLOWER * cost.row_s)


def _describe(space: Space, scene: Scene, course: Course, sizes: SizePlan | None) -> dict[str, Any]:
    search, rows, settings = space.search, scene.rows, count_configurations(space.parameters)
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
            *([sizes.sentence] if sizes else []),
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


def _describe_settings(space: Space, trials: int) -> list[str]:
    """Say how many settings a space has, and whether they end the search; nothing if there are infinitely many."""
    size = describe_size(space.parameters)
    if size is None:
        return []
    is_limit = trials == count_configurations(space.parameters)
    return [f"{size}; the search ends once all have been tried" if is_limit else size]
