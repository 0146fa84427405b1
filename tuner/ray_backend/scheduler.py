"""Ray's scheduler callbacks, handed on to the pruner and the trial queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers.trial_scheduler import FIFOScheduler, TrialScheduler

from tuner.pruners.base import Pruner
from tuner.ray_backend.memory import last_error, more_room
from tuner.ray_backend.trial_places import TrialPlaces, request
from tuner.ray_backend.worker import read_failure
from tuner.trial.ending import Ending
from tuner.trial.error_texts import is_broken_device, is_out_of_memory
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, Stretch, TrialQueue

_KEPT_ENDED = 50  # ended trials that Ray may still be cleaning up


class EmptyPickle:
    """Pickles without its attributes. Ray pickles every part of a search for its own restore, which we never use."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PruningScheduler(EmptyPickle, FIFOScheduler):  # type: ignore[misc]
    """Records each measurement in the queue, asks the pruner about it, and ends the trial if the pruner says so."""

    def __init__(self, queue: TrialQueue, pruner: Pruner) -> None:
        super().__init__()
        self._queue, self.pruner, self.places = queue, pruner, TrialPlaces(queue)
        self._deaths: dict[int, int] = {}  # of each trial's workers, without those whose node was lost
        self._controller: Any = None
        self._has_lost_node = False  # the trial whose failure came last

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Free the memory of trials that ended long ago."""
        _forget_ended(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        order = order_of(trial)
        self.places.seen(order, result)
        if self._queue.has_ended(order):
            return str(TrialScheduler.STOP)  # its worker died before Ray noticed the end, so Ray ran it again
        if "stretch" in result:
            self._queue.advanced(order, Stretch(**json.loads(result["stretch"])))
            return self._end_if_over(order)
        if "measurement" not in result:
            return self._end(order, *_ending_without_measurement(result))
        measurement = read_measurement(result["measurement"])
        self.places.measured(order)
        self._queue.measured(order, measurement, is_to_be_kept=bool(result.get("is_to_be_kept")))
        if result.get("note"):
            self._queue.noted(order, str(result["note"]))
        decision = self.pruner.judge(order, measurement)
        if decision is not None:
            return self._end(order, Ending(decision.ending), decision.reason)
        return self._end_if_over(order)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Forget the trial. Record its ending if it ended without a measurement."""
        order = order_of(trial)
        if "measurement" not in result:
            self._end(order, *_ending_without_measurement(result))
        self._forget(order)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Find out why a trial failed, and if it is about to be tried again, with how much room and away from which nodes."""
        self._controller = tune_controller
        order, error, run = order_of(trial), last_error(trial), trial.run_metadata
        if self._queue.has_ended(order):
            return  # we ended its worker ourselves
        wanted = dict(trial.placement_group_factory.required_resources)
        self._has_lost_node = self.places.is_lost(order, error)
        if self._has_lost_node:
            run.num_failures = self._deaths.get(order.index, 0)  # no fault of the trial, however often it happens
        elif is_out_of_memory(error):
            wanted = more_room(wanted)
            self._make_last_try(trial)
        else:
            failure = read_failure(error)
            self.places.failed(order, failure or (error.splitlines() or [""])[-1], error, wanted)
            if failure is not None and not is_broken_device(failure):
                self._make_last_try(trial)
        self._deaths[order.index] = run.num_failures
        if trial.should_recover():
            trial.update_resources(request(wanted, self.places.away_from(order, wanted)))

    def _make_last_try(self, trial: Any) -> None:
        if trial.should_recover():
            trial.max_failures = trial.run_metadata.num_failures

    def try_again(self, trial: Any) -> bool:
        """Make Ray retry a trial that it gave up too early. Return whether Ray will.

        Ray counts the loss of a node as a failure of the trial. And it gives up too early if a reused worker dies while it
        receives the trial: it then handles two failures, of the worker and of the hand-over, retries after the first and
        gives up after the second, although the trial has not begun. The attributes used here are private to Ray, and a test
        fails if they change. Without them the trial has failed.
        """
        requeue = getattr(self._controller, "_requeue_trial", None)
        if requeue is None or not trial.should_recover():
            return False
        getattr(self._controller, "_resetting_trials", set()).discard(trial)
        if not self._has_lost_node:
            trial.run_metadata.num_failures -= 1  # one worker died, but Ray counted it twice
        requeue(trial)
        return True

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._forget(order_of(trial))

    def _forget(self, order: Order) -> None:
        self.pruner.forget(order.index)
        self.places.forget(order)
        self._deaths.pop(order.index, None)

    def _end_if_over(self, order: Order) -> str:
        if self._queue.is_over(order):
            return self._end(order, Ending.CUT_SHORT, "the budget was over")
        return str(TrialScheduler.CONTINUE)

    def _end(self, order: Order, ending: Ending, reason: str) -> str:
        if not self._queue.has_ended(order):
            self._queue.ended(order, ending, reason)
        self._forget(order)
        return str(TrialScheduler.STOP)


def order_of(trial: Any) -> Order:
    """Return the order that a Ray trial carries out."""
    return Order(**trial.config["order"])


def read_measurement(text: str) -> Measurement:
    """Read a measurement from the JSON that a worker sent."""
    fields: Mapping[str, Any] = json.loads(text)
    return Measurement(**fields)


def _ending_without_measurement(result: Mapping[str, Any]) -> tuple[Ending, str]:
    if result.get("too_late"):
        return Ending.CUT_SHORT, "the budget was over before it began"
    return Ending.FAILED, str(result.get("failure", "the trial ended without a measurement"))


def _forget_ended(tune_controller: Any) -> None:
    """Drop trials that ended long ago from Ray's controller. It would keep about 40 KB of each until the search ends.

    Ray has no public way to do this. The attributes are private, and a test fails if they change. Without them nothing is
    dropped.
    """
    controller = getattr(tune_controller, "_tune_controller", None)
    trials = getattr(controller, "_trials", [])
    old = {trial for trial in trials[:-_KEPT_ENDED] if trial.is_finished()}
    if len(old) < _KEPT_ENDED:
        return
    trials[:] = [trial for trial in trials if trial not in old]
    for name in ("_stopped_trials", "_failed_trials", "_trials_to_cache"):
        getattr(controller, name, set()).difference_update(old)
    metadata = getattr(controller, "_trial_metadata", {})
    for trial in old:
        metadata.pop(trial.trial_id, None)
