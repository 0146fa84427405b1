"""Measure what trials cost on this machine: a few configurations train for a moment, side by side as in a search."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import numpy as np

from tuner.data.encoded import Encoded
from tuner.data.trial_data import TrialData
from tuner.errors import SearchFailed
from tuner.search.trial_cost import CostGuess, TrialCost
from tuner.space.configuration import Configuration
from tuner.trial.order import TrialSettings

_MEASURED = 6  # configurations, or one for each process if there are more of those
_MOST_PROCESSES = 8
_WARM_UP_S = 0.05
_TRAIN_S = 0.5
_VALIDATION_ROWS = 1_000


@contextmanager
def calibrators(slots: int) -> Iterator[ProcessPoolExecutor]:
    """Start as many processes as trials run side by side, at most eight. They import PyTorch while the data are read."""
    count, others = min(slots, _MOST_PROCESSES), set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_import_trial)
    try:
        for _ in range(count):
            pool.submit(int)  # starts a process
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.kill()  # unloading PyTorch would take a while


class Costs(Protocol):
    """Costs that a worker measures."""

    def result(self) -> list[TrialCost]:
        """Wait for them."""


class Workers(Protocol):
    """Processes that measure configurations: those of this machine, or of a cluster."""

    def submit(
        self,
        function: Callable[[Sequence[Configuration], TrialData, TrialSettings], list[TrialCost]],
        configurations: Sequence[Configuration],
        data: TrialData,
        settings: TrialSettings,
        /,
    ) -> Costs:
        """Start to measure."""


def measure_costs(
    pool: Workers, sampled: Sequence[Configuration], data: TrialData, settings: TrialSettings, *, slots: int
) -> list[TrialCost]:
    """Measure configurations of all sizes, cheapest first. `sampled` are many, and what they cost is guessed to choose them."""
    processes = min(slots, _MOST_PROCESSES)
    guess = CostGuess(configurations=sampled, data=data)
    chosen = _spread(sorted(sampled, key=lambda each: guess.of(each).example_s), max(_MEASURED, processes))
    small = _cut_validation(data)
    jobs = [
        pool.submit(_measure_all, chosen[number::processes], small, settings)
        for number in range(min(processes, len(chosen)))
    ]
    try:
        costs = [cost for job in jobs for cost in job.result()]
    except BrokenProcessPool as error:
        raise SearchFailed("a process that measured trials died, probably because memory ran out") from error
    return sorted(costs, key=lambda cost: cost.example_s)


def _spread(values: Sequence[Configuration], count: int) -> list[Configuration]:
    """Return the middle one of each of `count` parts of equal size."""
    count = min(count, len(values))
    return [values[int((place + 0.5) * len(values) / count)] for place in range(count)]


def _cut_validation(data: TrialData) -> TrialData:
    """Return the data with at most 1,000 validation rows. With folds all stay, because they are the training rows."""
    rows = min(_VALIDATION_ROWS, len(data.validation_truth))
    if data.folds is not None or rows == len(data.validation_truth):
        return data
    prepared = {
        setting: tuple(replace(part, validation=_first(part.validation, rows)) for part in parts)
        for setting, parts in data.prepared.items()
    }
    return replace(data, prepared=prepared, validation_truth=data.validation_truth[:rows], parts=data.parts[:rows])


def _first(encoded: Encoded, rows: int) -> Encoded:
    return Encoded(encoded.steps[: encoded.offsets[rows]], encoded.offsets[: rows + 1])


# --- in the processes -----------------------------------------------------------------------------------------------


def _import_trial() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the command, which ends its processes
    importlib.import_module("tuner.trial.trial")


def _measure_all(configurations: Sequence[Configuration], data: TrialData, settings: TrialSettings) -> list[TrialCost]:
    return [_measure(configuration, data, settings) for configuration in configurations]


def _measure(configuration: Configuration, data: TrialData, settings: TrialSettings) -> TrialCost:
    from tuner.trial.trial import Trial

    begun_s, spent_s = time.perf_counter(), time.process_time()
    trial = Trial(configuration, data, settings, seed=0)
    trial.advance(pause_at=time.perf_counter() + _WARM_UP_S)  # the first step builds kernels
    build_s = time.perf_counter() - begun_s
    trained_s, before = 0.0, trial.examples
    evaluated: list[float] = []
    is_last = False
    while not is_last and (trained_s < _TRAIN_S or not evaluated):
        start = time.perf_counter()
        is_paused = trial.advance(pause_at=start + _TRAIN_S - trained_s)
        trained_s += time.perf_counter() - start
        if not is_paused or trained_s >= _TRAIN_S:
            measurement = trial.measure()
            is_last = measurement.is_last
            evaluated.append(measurement.evaluate_seconds)
    wall_s, spent_s = time.perf_counter() - begun_s, time.process_time() - spent_s
    return TrialCost(
        build_s=build_s,
        example_s=trained_s / max(trial.examples - before, 1),
        row_s=float(np.min(evaluated)) / max(len(data.validation_truth), 1),
        load=max(1.0, wall_s / max(spent_s, 1e-3)),
    )
