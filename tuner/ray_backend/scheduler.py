"""ASHA with a gate in front of its rungs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.schedulers.trial_scheduler import TrialScheduler

from tuner.reporting import Desk, Order, Report
from tuner.scoring.gate import GateSettings, Signs, judge

_KEPT_ENDED = 50  # ended trials that Ray may still be putting away


class LeftOut:
    """Pickles as an empty shell. Ray pickles all that it is given, for a restore that is never asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class GatedASHA(LeftOut, AsyncHyperBandScheduler):  # type: ignore[misc]
    """Ray's ASHA with a gate in front of its rungs.

    Stock ASHA stops only what is strictly below a rung's quantile, so collapsed trials, which tie exactly, survive. Here
    a collapsed or diverged trial is stopped and its value never enters a rung; a single sign of collapse, or one within
    the grace, leaves the trial alive and its value out. Finalists run to their end without rungs.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        grace_epochs: float,
        grace_examples: int,
        budget_examples: int,
        reduction_factor: float,
        gate: GateSettings,
    ) -> None:
        super().__init__(
            time_attr="examples",
            metric="score",
            mode="max",
            grace_period=grace_examples,
            max_t=budget_examples,
            reduction_factor=reduction_factor,
        )
        self._desk, self._gate, self._grace_epochs = desk, gate, grace_epochs
        self._signs: dict[str, list[Signs]] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        _forget_ended(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        order = order_of(trial)
        if self._desk.has_ended(order):
            return str(TrialScheduler.STOP)  # its worker died between its end and Ray's taking note: Ray ran it again
        if "report" not in result:
            return self._end(trial, *_ending_without_report(result))
        report = read_report(result["report"])
        self._desk.reported(order, report)
        history = self._signs.setdefault(trial.trial_id, [])
        if history and report.epochs <= history[-1].epochs:
            history.clear()  # the worker died and the trial began anew
        history.append(report.signs)
        judgement = judge(history, grace_epochs=self._grace_epochs, settings=self._gate)
        if judgement == "diverged":
            return self._end(trial, "diverged", f"a number was not finite at step {report.diverged_at_step}")
        if order.phase == "search":
            if judgement == "collapsed":
                return self._end(trial, "collapsed", _describe_collapse(report))
            decision = self._ask_rungs(tune_controller, trial, result) if judgement == "healthy" else None
            if decision == TrialScheduler.STOP and not report.is_last:
                return self._end(trial, "stopped", f"below its rung at {report.epochs:.3g} epochs")
        if report.is_last:
            reason = "" if report.examples >= self._max_t else "no better score for as many reports as search.patience"
            return self._end(trial, "completed", reason)
        if self._desk.is_over(order):
            return self._end(trial, "interrupted", "the time budget was over")
        return str(TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Forget the trial. Ray's own method would enter its last value into the rungs, gate or no gate."""
        if "report" not in result:
            self._end(trial, *_ending_without_report(result))
        self._forget(trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._forget(trial)

    def _ask_rungs(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(super().on_trial_result(tune_controller, trial, result))

    def _end(self, trial: Any, ending: str, reason: str) -> str:
        if not self._desk.has_ended(order_of(trial)):
            self._desk.ended(order_of(trial), ending, reason)
        self._forget(trial)
        return str(TrialScheduler.STOP)

    def _forget(self, trial: Any) -> None:
        self._trial_info.pop(trial.trial_id, None)
        self._signs.pop(trial.trial_id, None)


def order_of(trial: Any) -> Order:
    """Return the order that a Ray trial carries out."""
    return Order(**trial.config["order"])


def read_report(text: str) -> Report:
    """Read a report as a worker sent it."""
    fields: Mapping[str, Any] = json.loads(text)
    return Report(**fields)


def _ending_without_report(result: Mapping[str, Any]) -> tuple[str, str]:
    if result.get("too_late"):
        return "interrupted", "the time budget was over before it began"
    return "failed", str(result.get("failure", "the trial ended without a report"))


def _describe_collapse(report: Report) -> str:
    return (
        f"constant penalty {report.constant_penalty:.2f}, skill {report.skill:+.3f}, "
        f"logits move by {report.logit_spread:.3f} from row to row"
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
