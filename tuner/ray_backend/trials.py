"""Trials on Ray Tune: the trainable, the searcher that hands out a desk's orders, and the run of them all."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.search import Searcher

from tuner.data.prepare import TrialData
from tuner.errors import StorageError
from tuner.pruners.candidates import health_of
from tuner.pruners.gate import GateSettings
from tuner.ray_backend.memory import describe_out_of_memory, is_out_of_memory, kills_for_memory_told, last_error
from tuner.ray_backend.scheduler import GatedASHA, LeftOut, order_of
from tuner.signals import die_on_abort, raise_if_interrupted, raise_interrupt
from tuner.space.search_settings import ResourceSettings
from tuner.trial.measurement import Measurement, Order, TrialQueue, TrialSettings

if TYPE_CHECKING:
    from tuner.trial.trial import Trial

RETRIES = 2  # a trial whose worker died starts again, this often; one that was out of memory once
_WRITES = 3  # of a finalist's weights, which it cannot do without
_CHECKPOINT_EVERY_S = 60.0  # besides at rungs, which may be hours apart


# --- the worker's side --------------------------------------------------------------------------------------------------


class TrialOnWorker(tune.Trainable):  # type: ignore[misc]
    """Runs one order after the other in one process; each step is one report."""

    def setup(self, config: dict[str, Any], data: TrialData, settings: TrialSettings) -> None:
        die_on_abort()
        self._data, self._settings = data, settings
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # Only stores: what raises here would end the search, so the model is built in the first step.
        self._order = Order(**new_config["order"])
        self._trial: Trial | None = None
        self._note, self._is_to_be_kept = "", False
        return True

    def step(self) -> dict[str, Any]:
        order = self._order
        if self._trial is None and order.start_before is not None and time.time() > order.start_before:
            return {"examples": 0, "too_late": True, tune.result.DONE: True}
        try:
            if self._trial is None:
                self._begin()
            elif self._is_to_be_kept:  # here, where it is certain that the driver has the last report and lets it go on
                self._keep()
            measurement = self._measurement()
        except Exception as error:
            if is_out_of_memory(error):  # Ray tries again what raises, in a process of its own
                raise MemoryError(f"out of memory: {error}") from error
            # Recorded as the trial's ending, which keeps the worker for the next.
            return {"examples": 0, "failure": f"{type(error).__name__}: {error}", tune.result.DONE: True}
        note, self._note = self._note, ""
        self._is_to_be_kept = self._is_checkpoint_due()
        return {
            "examples": measurement.examples,
            "score": measurement.score,
            # As one text, because Ray keeps a running analysis of every number that it is given.
            "measurement": json.dumps(asdict(measurement)),
            "is_to_be_kept": self._is_to_be_kept,
            "note": note,
        }

    def _begin(self) -> None:
        """Build the trial, or what it was when its last worker kept it."""
        from tuner.storage import Folder, split

        order = self._order
        self._trial = self._build()
        if order.checkpoint is not None:
            place, name = split(order.checkpoint)
            folder = Folder.at(place)
            self._checkpoint = folder, name
            try:
                if folder.exists(name):
                    self._trial.load_state(folder.read(name))
            except (StorageError, ValueError) as error:
                self._note = f"it begins anew, as its checkpoint cannot be used ({error})"
                self._trial = self._build()
        self._kept_examples, self._kept_at = self._trial.examples, time.monotonic()

    def _build(self) -> Trial:
        from tuner.trial.trial import Trial  # with torch, which only workers need to import

        order = self._order
        is_final = order.phase == "finalist"
        return Trial(order.configuration, self._data, self._settings, seed=order.seed, is_final=is_final)

    def _is_checkpoint_due(self) -> bool:
        assert self._trial is not None
        if self._order.checkpoint is None:
            return False
        is_at_rung = any(self._kept_examples < rung <= self._trial.examples for rung in self._settings.rungs)
        return is_at_rung or time.monotonic() - self._kept_at >= _CHECKPOINT_EVERY_S

    def _keep(self) -> None:
        assert self._trial is not None
        self._kept_examples, self._kept_at = self._trial.examples, time.monotonic()
        folder, name = self._checkpoint
        try:
            _check_run_there(self._order.checkpoint)
            folder.write(name, self._trial.save_state())
        except StorageError as error:  # it can do without; if the ledger cannot be written either, the run stops
            self._note = f"its checkpoint cannot be written ({error})"

    def _measurement(self) -> Measurement:
        trial, order = self._trial, self._order
        assert trial is not None
        before = trial.best_merit
        measurement = trial.next_measurement()
        if order.weights is not None and trial.best_merit > before:
            if order.phase == "finalist":
                _insist(lambda: self._save_weights(trial, str(order.weights)))
            elif is_worth_keeping(measurement, order.keep_above):
                try:
                    self._save_weights(trial, order.weights)
                except StorageError as error:  # the search can do without
                    self._note = f"its weights cannot be written, so it is no candidate for champion ({error})"
        return measurement

    def _save_weights(self, trial: Trial, location: str) -> None:
        from tuner.bundle.model_bundle import save_probabilities, save_weights
        from tuner.ledger.run_directory import held_out_name

        _check_run_there(location)
        with trial.averaged():
            save_weights(location, trial.model)
        judged = trial.probabilities
        if judged is not None:  # models are compared by them, and need not be rebuilt for it
            save_probabilities(held_out_name(location), judged, examples=trial.examples)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing for Ray: a trial's checkpoint lies in the run directory under the trial's own name."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Restore nothing, see `save_checkpoint`."""


def is_worth_keeping(measurement: Measurement, keep_above: float | None) -> bool:
    """Return whether a search trial's best report so far may be that of the champion."""
    is_better = keep_above is None or measurement.score > keep_above
    return is_better and health_of(measurement.signs, GateSettings()) != "collapsed"


def _insist(write: Callable[[], None]) -> None:
    """Write, and again where the storage fails: three times in all, a second apart, as the ledger does. Raises StorageError."""
    for _ in range(_WRITES - 1):
        try:
            return write()
        except StorageError:
            time.sleep(1.0)
    return write()


def _check_run_there(location: str | None) -> None:
    """Raise StorageError where the run's directory, in one of whose folders a file is to lie, is not there."""
    from tuner.ledger.run_directory import check_there
    from tuner.storage import Folder, split

    if location is not None:
        run = split(split(location)[0])[0]
        check_there(Folder.at(run), run)


# --- the driver's side --------------------------------------------------------------------------------------------------


class OrderSearcher(LeftOut, Searcher):  # type: ignore[misc]
    """Hands the desk's orders to Ray; what becomes of them goes back through the scheduler."""

    def __init__(self, queue: TrialQueue) -> None:
        super().__init__(metric="score", mode="max")
        self._queue = queue

    def suggest(self, trial_id: str) -> Any:
        order = self._queue.next_order()
        if order is not None:
            return {"order": asdict(order)}
        return Searcher.FINISHED if self._queue.is_done() else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler has told the desk."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the ledger rebuilds the sampler."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see `save`."""


class _Listener(LeftOut, TrialProgressCallback):  # type: ignore[misc]
    """Tells the desk. Of the class that Ray would otherwise add, print with, and keep every trial by."""

    def __init__(self, queue: TrialQueue, interrupt: threading.Event, scheduler: GatedASHA | None = None) -> None:
        self._queue, self._interrupt, self._scheduler = queue, interrupt, scheduler

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if not self._queue.has_ended(order_of(trial)):
            self._queue.started(order_of(trial))

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._queue.waits(order_of(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # The scheduler's method of this name is also called when a trial is only about to be tried again.
        order = order_of(trial)
        if self._queue.has_ended(order):
            return
        if self._scheduler is not None and self._scheduler.try_again(trial):
            self._queue.waits(order)
        else:
            self._queue.ended(order, "failed", _describe_error(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._interrupt.is_set():
            self._queue.interrupt()  # now, for ending Ray's trials takes seconds
            raise KeyboardInterrupt
        self._queue.tick()
        hung = {order.index for order in self._queue.hung()}
        for trial in trials if hung else ():
            if order_of(trial).index in hung and trial.temporary_state.ray_actor is not None:
                trial.max_failures = 0
                ray.kill(trial.temporary_state.ray_actor)


def run_trials(
    queue: TrialQueue,
    data: TrialData,
    settings: TrialSettings,
    *,
    scheduler: GatedASHA,
    resources: ResourceSettings,
    slots: int,
    is_cluster: bool,
) -> None:
    """Run the desk's orders until it is done, `slots` at a time.

    Raises KeyboardInterrupt on the first SIGINT or SIGTERM, at a moment when the desk has been told everything.
    """
    # As many trials wait as run. With fewer, workers start one after the other, and a second worker may never come: Ray
    # gives up one that is starting as soon as another falls free, which short trials do all the time.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
    trainable = tune.with_resources(
        tune.with_parameters(TrialOnWorker, data=data, settings=settings),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    with tempfile.TemporaryDirectory(prefix="tuner-ray-") as folder, _signals_as_event() as interrupt:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=OrderSearcher(queue),
                scheduler=scheduler,
                num_samples=-1,
                # Ray on this machine has no more CPUs than that; a limit of its own would end workers between trials.
                max_concurrent_trials=resources.concurrent if is_cluster else None,
                reuse_actors=True,
                trial_name_creator=lambda trial: f"trial-{order_of(trial).index}",
                trial_dirname_creator=lambda trial: f"trial-{order_of(trial).index}",
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=folder,
                verbose=0,
                callbacks=[_Listener(queue, interrupt, scheduler)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        with kills_for_memory_told():
            tuner.fit()
        if interrupt.is_set():  # after the last step
            queue.interrupt()
            raise KeyboardInterrupt


def _describe_error(trial: Any) -> str:
    error = last_error(trial)
    last = error.splitlines()[-1] if error else "no message"
    if is_out_of_memory(error):
        return describe_out_of_memory(error, trial.run_metadata.num_failures)
    return f"its worker died {trial.run_metadata.num_failures} times: {last}"


@contextmanager
def _signals_as_event() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event; a second SIGINT interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # signals reach the main thread only
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def note(_number: int, _frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, raise_interrupt)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    try:
        raise_if_interrupted()  # before them
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
