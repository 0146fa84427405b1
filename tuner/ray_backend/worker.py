"""Trials on a Ray worker: the trainable runs them one after the other and writes their files to the run directory."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from tuner.data.trial_data import TrialData
from tuner.errors import MissingFileError, StorageError
from tuner.pruners.gate import GateSettings, health_of
from tuner.ray_backend.cluster_nodes import alive_nodes, here
from tuner.signals import die_on_abort
from tuner.training.device import is_gpu
from tuner.trial.error_texts import first_line, is_broken_device, is_out_of_memory
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, Stretch, TrialSettings

if TYPE_CHECKING:
    from tuner.trial.trial import Trial

_WRITE_ATTEMPTS = 3  # for a finalist's weights, which the search needs
_CHECKPOINT_INTERVAL_S = 60.0  # between rungs, which may be hours apart
_EXIT_AFTER_S = 5.0  # for the error to reach the driver


class WorkerFailure(RuntimeError):
    """A failure whose cause may be the worker's machine, so that another worker tries the trial again."""


def read_failure(error: str) -> str | None:
    """Return the message of a WorkerFailure from Ray's record of it, None if the record is of another error."""
    _, mark, message = (error.splitlines() or [""])[-1].partition(f"{WorkerFailure.__name__}: ")
    return message if mark else None


class TrialOnWorker(tune.Trainable):  # type: ignore[misc]
    """Runs one order after the other in one process. Each step trains for a moment, and measures if it is due."""

    def setup(self, config: dict[str, Any], data: TrialData, settings: TrialSettings) -> None:
        die_on_abort()
        # After an out-of-memory error a trial has a larger share than the others.
        if is_gpu(settings.device) and ray.is_initialized():
            settings = replace(settings, gpu_share=ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0))
        self._data, self._settings_of_all = data, settings
        self._place, self._has_measured = here(), False
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # Only store the order. An error here would end the whole search, so the first step builds the model.
        self._order = Order(**new_config["order"])
        self._settings = replace(self._settings_of_all, **self._order.sizes)
        self._trial: Trial | None = None
        self._note, self._is_to_be_kept = "", False
        return True

    def write_checkpoint_soon(self) -> None:
        """Write a checkpoint before the next training. The driver calls this when the node will stop soon."""
        self._is_to_be_kept = self._trial is not None and self._order.checkpoint is not None

    def step(self) -> dict[str, Any]:
        return {**self._place, **self._take_step()}

    def _take_step(self) -> dict[str, Any]:
        order = self._order
        if self._trial is None and order.start_before is not None and time.time() > order.start_before:
            return {"examples": 0, "too_late": True, tune.result.DONE: True}
        try:
            if self._trial is None:
                self._start_trial()
            elif self._is_to_be_kept:  # only now is it certain that the driver has the last measurement and goes on
                self._write_checkpoint()
                self._is_to_be_kept = False
            if (stretch := self._train()) is not None:
                return {
                    "examples": stretch.examples,
                    "stretch": json.dumps(asdict(stretch)),
                }  # Ray would flatten a dict
            measurement = self._measure()
        except Exception as error:
            if is_out_of_memory(error):  # Ray retries a trial that raises, in a new process
                raise MemoryError(f"out of memory: {error}") from error
            if is_broken_device(error):
                _exit_soon()
                raise self._failure(error) from error
            if not self._has_measured and len(alive_nodes()) > 1:  # as if something is missing on this machine
                raise self._failure(error) from error
            # Record the error as the trial's ending, which keeps the worker for the next trial.
            return {"examples": 0, "failure": f"{type(error).__name__}: {error}", tune.result.DONE: True}
        note, self._note = self._note, ""
        self._is_to_be_kept = self._is_checkpoint_due()
        return {
            "examples": measurement.examples,
            "score": measurement.score,
            # One text, because Ray keeps a running analysis of every number that it gets.
            "measurement": json.dumps(asdict(measurement)),
            "is_to_be_kept": self._is_to_be_kept,
            "note": note,
        }

    def _failure(self, error: Exception) -> WorkerFailure:
        gpu = self._place.get("gpu")
        return WorkerFailure(f"{first_line(error)}{f' on GPU {gpu}' if gpu else ''}")

    def _start_trial(self) -> None:
        """Build the trial, and load its checkpoint if an earlier worker wrote one."""
        from tuner.storage import Folder, split

        order = self._order
        self._trial = self._make_trial()
        if order.checkpoint is not None:
            location, name = split(order.checkpoint)
            folder = Folder.at(location)
            self._checkpoint = folder, name
            try:
                self._trial.load_state(folder.read(name))
            except MissingFileError:  # as for every trial that has not run before
                pass
            except (StorageError, ValueError) as error:
                self._note = f"it starts again from the beginning because its checkpoint cannot be used ({error})"
                self._trial = self._make_trial()
        self._checkpoint_examples, self._checkpoint_time_s = self._trial.examples, time.monotonic()
        self._last_s, self._is_measured = time.monotonic(), self._trial.examples > 0
        self._measure_by_s = math.inf
        if order.is_measured_then and order.start_before is not None:
            half_s = (order.start_before - time.time()) / 2 if order.phase == "search" else 0.0
            self._measure_by_s = order.start_before - half_s

    def _make_trial(self) -> Trial:
        from tuner.trial.trial import Trial  # imports torch, which only workers need

        order = self._order
        is_final = order.phase == "finalist"
        return Trial(order.configuration, self._data, self._settings, seed=order.seed, is_final=is_final)

    def _is_checkpoint_due(self) -> bool:
        assert self._trial is not None
        if self._order.checkpoint is None:
            return False
        is_at_rung = any(self._checkpoint_examples < rung <= self._trial.examples for rung in self._settings.rungs)
        return is_at_rung or time.monotonic() - self._checkpoint_time_s >= _CHECKPOINT_INTERVAL_S

    def _write_checkpoint(self) -> None:
        assert self._trial is not None
        self._checkpoint_examples, self._checkpoint_time_s = self._trial.examples, time.monotonic()
        folder, name = self._checkpoint
        try:
            check_run_exists(self._order.checkpoint)
            folder.write(name, self._trial.save_state())
        except StorageError as error:  # the trial can go on without; if the ledger fails too, the run stops
            self._note = f"its checkpoint cannot be written ({error})"

    def _train(self) -> Stretch | None:
        """Train for a moment. Return how far the trial is, or None if it is to be measured now."""
        trial, begun_s, spent_s = self._trial, time.perf_counter(), time.process_time()
        assert trial is not None
        before = trial.examples
        if not trial.advance(pause_at=begun_s + self._settings.pause_s) or self._is_last_moment():
            return None
        seconds = time.perf_counter() - begun_s
        seconds_left = trial.examples_to_measurement * seconds / max(trial.examples - before, 1)
        is_on_cpu = self._settings.device == "cpu"
        load = max(1.0, seconds / max(time.process_time() - spent_s, 1e-3)) if is_on_cpu else 1.0
        return Stretch(trial.examples, time.monotonic() - self._last_s, seconds_left, load)

    def _is_last_moment(self) -> bool:
        """Return whether the trial has no measurement yet, and should take one at once."""
        return not self._is_measured and time.time() > self._measure_by_s

    def _measure(self) -> Measurement:
        """Measure the trial, and write the weights if they are the trial's best."""
        trial, order = self._trial, self._order
        assert trial is not None
        best_before = trial.best_merit
        measurement = trial.measure()
        self._last_s, self._is_measured, self._has_measured = time.monotonic(), True, True
        if order.weights is not None and trial.best_merit > best_before:
            if order.phase == "finalist":
                write_with_retries(lambda: self._save_weights(trial, str(order.weights)))
            elif is_worth_keeping(measurement, order.keep_above):
                try:
                    self._save_weights(trial, order.weights)
                except StorageError as error:  # the search can go on without
                    self._note = f"its weights cannot be written, so it is no candidate for champion ({error})"
        return measurement

    def _save_weights(self, trial: Trial, location: str) -> None:
        from tuner.bundle.model_bundle import save_probabilities, save_weights
        from tuner.ledger.run_directory import held_out_name
        from tuner.storage import Folder, split

        check_run_exists(location)
        writes: list[Callable[[], None]] = [lambda: save_weights(location, trial.model)]
        probabilities, examples = trial.probabilities, trial.examples
        if probabilities is not None:  # models are compared by these, without being rebuilt
            writes.append(lambda: save_probabilities(held_out_name(location), probabilities, examples=examples))
        with trial.averaged():
            Folder.at(split(location)[0]).map(lambda write: write(), writes)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write nothing for Ray. A trial's checkpoint lies in the run directory under the trial's own name."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Read nothing, see `save_checkpoint`."""


def _exit_soon() -> None:
    """End this process after a moment, even if CUDA hangs while Ray ends it: a fault of the device stays with the process."""
    timer = threading.Timer(_EXIT_AFTER_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def is_worth_keeping(measurement: Measurement, keep_above: float | None) -> bool:
    """Return whether the weights of a search trial's best measurement so far may become the champion's."""
    is_better = keep_above is None or measurement.score > keep_above
    return is_better and health_of(measurement.signs, GateSettings()) != "collapsed"


def write_with_retries(write: Callable[[], None]) -> None:
    """Call `write` up to three times, a second apart, as the ledger does. Raises StorageError if the last try fails."""
    for _ in range(_WRITE_ATTEMPTS - 1):
        try:
            return write()
        except StorageError:
            time.sleep(1.0)
    return write()


def check_run_exists(location: str | None) -> None:
    """Raise StorageError if the run directory of a file is not there. `location` is `<run>/<folder>/<file>`."""
    from tuner.ledger.run_directory import check_there
    from tuner.storage import Folder, split

    if location is not None:
        run = split(split(location)[0])[0]
        check_there(Folder.at(run), run)
