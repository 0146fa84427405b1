"""ASHA with a gate in front of its rungs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ray.tune.schedulers.trial_scheduler import FIFOScheduler, TrialScheduler

from tuner.pruners.asha import Rungs, rung_examples
from tuner.pruners.gate import GateSettings, Judgement, Signs, grace_of, judge
from tuner.ray_backend.memory import give_more_room, is_out_of_memory, last_error
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, TrialQueue

_KEPT_ENDED = 50  # ended trials that Ray may still be putting away


class LeftOut:
    """Pickles as an empty shell. Ray pickles all that it is given, for a restore that is never asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class GatedASHA(LeftOut, FIFOScheduler):  # type: ignore[misc]
    """ASHA with a gate in front of its rungs: Ray tells of reports, and gate and rungs, both pure, decide.

    Stock ASHA stops only what is strictly below a rung's quantile, so collapsed trials, which tie exactly, survive. Here
    a collapsed or diverged trial is stopped and its value never enters a rung; a single sign of collapse, or one within
    the grace, leaves the trial alive and its value out. Finalists run to their end without rungs.
    """

    def __init__(
        self,
        queue: TrialQueue,
        *,
        grace_epochs: float,
        rows: int,
        budget_examples: int,
        reduction_factor: float,
        gate: GateSettings,
    ) -> None:
        super().__init__()
        max_epochs = budget_examples / rows
        levels = rung_examples(
            grace_epochs=grace_epochs, reduction_factor=reduction_factor, max_epochs=max_epochs, rows=rows
        )
        self.rungs = Rungs(levels, reduction_factor=reduction_factor)
        self._grace = grace_of(grace_epochs=grace_epochs, max_epochs=max_epochs, rows=rows, settings=gate)
        self._queue, self._gate = queue, gate
        self._budget_examples = budget_examples
        self._signs: dict[int, list[Signs]] = {}
        self._to_stop: dict[int, int] = {}
        self._controller: Any = None

    def replay(self, measurements: Iterable[tuple[int, Measurement]], *, running: Collection[int]) -> None:
        """Take in what search trials reported, by their numbers, in the order in which they did: rungs are as they were.

        Of those that are to go on, `running`, signs of collapse are remembered too, and at which report one was to be stopped:
        a crash may have come between its last report and its ending, and a rung decides on a trial only once.
        """
        for index, measurement in measurements:
            if not self._goes_on(index, measurement, self._judge(index, measurement)):
                self._to_stop[index] = measurement.examples
        for index in self._signs.keys() - running:
            self._forget(index)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Make room."""
        _forget_ended(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        order = order_of(trial)
        if self._queue.has_ended(order):
            return str(TrialScheduler.STOP)  # its worker died between its end and Ray's taking note: Ray ran it again
        if "measurement" not in result:
            return self._end(trial, *_ending_without_measurement(result))
        measurement = read_measurement(result["measurement"])
        self._queue.reported(order, measurement, is_to_be_kept=bool(result.get("is_to_be_kept")))
        if result.get("note"):
            self._queue.noted(order, str(result["note"]))
        judgement = self._judge(order.index, measurement)
        if judgement == "diverged":
            return self._end(trial, "diverged", _describe_divergence(order, measurement))
        if order.phase == "search":
            if judgement == "collapsed":
                return self._end(trial, "collapsed", _describe_collapse(measurement))
            if not self._goes_on(order.index, measurement, judgement) and not measurement.is_last:
                return self._end(trial, "stopped", f"below its rung at {measurement.epochs:.3g} epochs")
        if measurement.is_last:
            reason = (
                ""
                if measurement.examples >= self._budget_examples
                else "no better score for as many reports as search.patience"
            )
            return self._end(trial, "completed", reason)
        if self._queue.is_over(order):
            return self._end(trial, "interrupted", "the budget was over")
        return str(TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Forget the trial, and note its end where it came without a report."""
        if "measurement" not in result:
            self._end(trial, *_ending_without_measurement(result))
        self._forget(order_of(trial).index)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Give a trial that was out of memory more room, if it is about to be tried again."""
        self._controller = tune_controller
        if trial.should_recover() and is_out_of_memory(last_error(trial)):
            give_more_room(trial)

    def try_again(self, trial: Any) -> bool:
        """Have Ray run a trial again that it has given up before all its retries; return whether it will.

        It does so where a worker that is used again dies as it is handed the trial: it tries again when it hears of the worker,
        and gives up when it hears of the hand-over, for a trial that has not begun. The attributes are Ray's own, and a test
        notices if they change. Without them the trial has failed.
        """
        requeue = getattr(self._controller, "_requeue_trial", None)
        if requeue is None or not trial.should_recover():
            return False
        getattr(self._controller, "_resetting_trials", set()).discard(trial)
        trial.run_metadata.num_failures -= 1  # one worker has died, and Ray has counted it twice
        requeue(trial)
        return True

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._forget(order_of(trial).index)

    def _judge(self, index: int, measurement: Measurement) -> Judgement:
        # A worker that takes a dead one's place reports anew what that one reported since its last checkpoint.
        before = [signs for signs in self._signs.get(index, ()) if signs.epochs < measurement.epochs]
        self._signs[index] = [*before, measurement.signs]
        return judge(self._signs[index], grace=self._grace, settings=self._gate)

    def _goes_on(self, index: int, measurement: Measurement, judgement: Judgement) -> bool:
        """Ask the rungs about a search trial's report. At the full budget nothing is left to be decided."""
        if self._to_stop.get(index) == measurement.examples:
            return False
        if measurement.examples >= self._budget_examples:
            return True
        return self.rungs.goes_on(index, measurement.examples, measurement.score if judgement == "healthy" else None)

    def _end(self, trial: Any, ending: str, reason: str) -> str:
        order = order_of(trial)
        if not self._queue.has_ended(order):
            self._queue.ended(order, ending, reason)
        self._forget(order.index)
        return str(TrialScheduler.STOP)

    def _forget(self, index: int) -> None:
        self.rungs.forget(index)
        self._signs.pop(index, None)
        self._to_stop.pop(index, None)


def order_of(trial: Any) -> Order:
    """Return the order that a Ray trial carries out."""
    return Order(**trial.config["order"])


def read_measurement(text: str) -> Measurement:
    """Read a report as a worker sent it."""
    fields: Mapping[str, Any] = json.loads(text)
    return Measurement(**fields)


def _ending_without_measurement(result: Mapping[str, Any]) -> tuple[str, str]:
    if result.get("too_late"):
        return "interrupted", "the budget was over before it began"
    return "failed", str(result.get("failure", "the trial ended without a report"))


def _describe_divergence(order: Order, measurement: Measurement) -> str:
    """Say when, and with which of the settings that a number can run away by."""
    suspects = ("optimiser", "learning_rate", "clipping", "loss", "precision")
    chosen = {name: order.configuration[name] for name in suspects if name in order.configuration}
    if measurement.precision:  # what "auto" came to
        chosen["precision"] = measurement.precision
    told = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in chosen.items()
    )
    return f"a number was not finite at step {measurement.diverged_at_step}" + (f", with {told}" if told else "")


def _describe_collapse(measurement: Measurement) -> str:
    return (
        f"constant penalty {measurement.constant_penalty:.2f}, skill {measurement.skill:+.3f}, "
        f"logits move by {measurement.logit_spread:.3f} from row to row"
    )


def _forget_ended(tune_controller: Any) -> None:
    """Drop trials that ended long ago from Ray's controller, which would keep some 40 KB of each until the search is over.

    Ray has no way to ask for that; the attributes are its own, and a test notices if they change. Without them nothing is
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
