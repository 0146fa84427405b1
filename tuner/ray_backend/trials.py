"""Trials on Ray Tune, seen from the driver: hand out a queue's orders and run them to the end."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import ray
from ray import tune
from ray.tune.execution import tune_controller
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.search import Searcher

from tuner.data.trial_data import TrialData
from tuner.pruners.base import Pruner
from tuner.ray_backend.access import folder_for_trials
from tuner.ray_backend.cluster_nodes import draining_nodes
from tuner.ray_backend.gpu_spread import spread_over_gpus
from tuner.ray_backend.memory import describe_out_of_memory, last_error, memory_kills_as_deaths
from tuner.ray_backend.node_watch import NodeWatch
from tuner.ray_backend.places import places_on_checked_nodes
from tuner.ray_backend.scheduler import EmptyPickle, PruningScheduler, order_of
from tuner.ray_backend.trial_places import TrialPlaces
from tuner.ray_backend.worker import TrialOnWorker, read_failure
from tuner.signals import raise_if_interrupted, raise_interrupt
from tuner.space.search_settings import ResourceSettings
from tuner.trial.ending import Ending
from tuner.trial.error_texts import is_out_of_memory
from tuner.trial.order import TrialQueue, TrialSettings

RETRIES = 2  # for a trial whose worker died; a trial that ran out of memory gets one
_LOOK_AT_NODES_S = 1.0


class OrderSearcher(EmptyPickle, Searcher):  # type: ignore[misc]
    """Hands the queue's orders to Ray. Their results come back through the scheduler."""

    def __init__(self, queue: TrialQueue) -> None:
        super().__init__(metric="score", mode="max")
        self._queue = queue

    def suggest(self, trial_id: str) -> Any:
        order = self._queue.next_order()
        if order is not None:
            return {"order": asdict(order)}
        return Searcher.FINISHED if self._queue.is_done() else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler has already updated the queue."""

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the sampler is rebuilt from the ledger."""

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing, see `save`."""


class QueueCallback(EmptyPickle, TrialProgressCallback):  # type: ignore[misc]
    """Reports starts, retries and failures to the queue, and interrupts the search.

    It inherits from TrialProgressCallback so that Ray does not add one of its own, which prints and keeps every trial.
    """

    def __init__(
        self, queue: TrialQueue, interrupt: threading.Event, scheduler: PruningScheduler | None = None
    ) -> None:
        self._queue, self._interrupt, self._scheduler = queue, interrupt, scheduler
        self._has_run_out = False
        self._look_at_nodes_s = 0.0
        self._draining: set[str] = set()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        order = order_of(trial)
        if self._scheduler is not None:
            self._scheduler.places.started(order)
        if not self._queue.has_ended(order):
            self._queue.started(order)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._queue.waits(order_of(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # Not in the scheduler, because Ray also calls the scheduler's method of this name before a retry.
        order = order_of(trial)
        if self._queue.has_ended(order):
            return
        if self._scheduler is not None and self._scheduler.try_again(trial):
            self._queue.waits(order)
        else:
            self._queue.ended(order, Ending.FAILED, _describe_error(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._interrupt.is_set():
            self._queue.interrupt()  # first, because ending Ray's trials takes seconds
            raise KeyboardInterrupt
        self._queue.tick()
        if self._queue.is_time_up() and not self._has_run_out:
            self._has_run_out = True
            self._queue.run_out()
            _kill_actors(trials)
        hung = {order.index for order in self._queue.hung()}
        _kill_actors([trial for trial in trials if order_of(trial).index in hung] if hung else [])
        if self._scheduler is not None and time.monotonic() >= self._look_at_nodes_s:
            self._look_at_nodes_s = time.monotonic() + _LOOK_AT_NODES_S
            self._save_trials_of_draining_nodes(trials, self._scheduler.places)
            self._scheduler.places.look()

    def _save_trials_of_draining_nodes(self, trials: Sequence[Any], places: TrialPlaces) -> None:
        """Let trials write a checkpoint at once when their node begins to stop. They go on until it is gone."""
        draining = draining_nodes()
        new, self._draining = draining - self._draining, draining
        for trial in trials if new else ():
            actor = trial.temporary_state.ray_actor
            if actor is not None and places.node_of(order_of(trial)) in new:
                actor.write_checkpoint_soon.remote()


class WatchCallback(EmptyPickle, tune.Callback):  # type: ignore[misc]
    """Lets a NodeWatch look at the nodes between Ray's steps."""

    def __init__(self, watch: NodeWatch) -> None:
        self._watch = watch

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._watch.look()


class TimeStopper(EmptyPickle, tune.Stopper):  # type: ignore[misc]
    """Ends Ray's part of the search when the time is up, even if a worker has not started or is busy with an evaluation."""

    def __init__(self, queue: TrialQueue) -> None:
        self._queue = queue

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._queue.is_time_up()


def run_trials(
    queue: TrialQueue,
    data: TrialData,
    settings: TrialSettings,
    *,
    pruner: Pruner,
    resources: ResourceSettings,
    slots: int,
    watch: NodeWatch | None,
) -> None:
    """Run the queue's orders until it is done, `slots` at a time. `watch` follows the nodes of a cluster.

    Raises KeyboardInterrupt after the first SIGINT or SIGTERM, at a moment when the queue knows everything.
    """
    # As many trials wait as run. With fewer, workers start one after the other, and a second worker may never come: Ray
    # abandons a starting worker as soon as another one is free, and with short trials one is free all the time.
    # In a cluster that grows they also ask for the nodes that it needs.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(watch.waiting_trials if watch else slots)
    trainable = tune.with_resources(
        tune.with_parameters(TrialOnWorker, data=data, settings=settings),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    scheduler = PruningScheduler(queue, pruner)
    with folder_for_trials() as folder, _signals_as_event() as interrupt:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=OrderSearcher(queue),
                scheduler=scheduler,
                num_samples=-1,
                # On this machine Ray has only that many CPUs anyway; a second limit would end workers between trials.
                max_concurrent_trials=resources.concurrent if watch else None,
                reuse_actors=True,
                trial_name_creator=lambda trial: f"trial-{order_of(trial).index}",
                trial_dirname_creator=lambda trial: f"trial-{order_of(trial).index}",
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=folder,
                verbose=0,
                stop=TimeStopper(queue),
                callbacks=[QueueCallback(queue, interrupt, scheduler), *([WatchCallback(watch)] if watch else [])],
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        workers = places_on_checked_nodes(watch) if watch else started_workers_for_trials()
        with memory_kills_as_deaths(), spread_over_gpus(resources), workers:
            tuner.fit()
        if interrupt.is_set():  # after the last step
            queue.interrupt()
            raise KeyboardInterrupt


@contextmanager
def started_workers_for_trials() -> Iterator[None]:
    """Make Ray run trials on the workers that it started with itself on this machine.

    Those have imported what trials need. Ray Tune gives trials a few variables of the environment, so Ray would start other
    workers for them, which import everything again: 2.5 s of a core for each. Here they have these variables anyway. The class
    is private to Ray, and a test fails if it changes. Without it trials only start later.
    """
    cache: Any = getattr(tune_controller, "_ActorClassCache", None)
    plain = functools.cache(ray.remote)
    with ExitStack() as stack:
        if hasattr(cache, "get"):
            stack.callback(setattr, cache, "get", cache.get)
            cache.get = lambda _, trainable: plain(trainable)
        yield


def _kill_actors(trials: Sequence[Any]) -> None:
    for trial in trials:
        if trial.temporary_state.ray_actor is not None:
            trial.max_failures = 0
            ray.kill(trial.temporary_state.ray_actor)


def _describe_error(trial: Any) -> str:
    error = last_error(trial)
    if is_out_of_memory(error):
        gpus = trial.placement_group_factory.required_resources.get("GPU", 0.0)
        return describe_out_of_memory(error, trial.run_metadata.num_failures, has_whole_gpu=gpus >= 1)
    failure = read_failure(error)
    if failure is not None:
        tries = trial.run_metadata.num_failures
        return failure if tries == 1 else f"{failure} (tried {tries} times, each in a new process)"
    last_line = error.splitlines()[-1] if error else "no message"
    return f"its worker died {trial.run_metadata.num_failures} times: {last_line}"


@contextmanager
def _signals_as_event() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event. A second SIGINT interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread gets signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def set_event(_number: int, _frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, raise_interrupt)

    signal.signal(signal.SIGINT, set_event)
    signal.signal(signal.SIGTERM, set_event)
    try:
        raise_if_interrupted()  # by a signal that came before these handlers
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
