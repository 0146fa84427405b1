"""ASHA with the gate in front of its rungs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tuner.pruners.asha import Rungs, rung_examples
from tuner.pruners.base import Decision, PrunedMeasurement, PrunedTrial, Pruner
from tuner.pruners.gate import GateSettings, Judgement, Signs, grace_of, judge
from tuner.show_value import show_count

_SUSPECTS = ("optimiser", "learning_rate", "clipping", "loss", "precision")  # settings that can make training diverge


class GatedASHA(Pruner):
    """ASHA with the gate in front of its rungs.

    Stock ASHA stops a trial only if its score is strictly below a rung's quantile. Collapsed trials tie exactly, so they
    survive. Here a collapsed or diverged trial ends, and its score never enters a rung. After a single sign of collapse, or
    a sign within the grace, the trial goes on, but its score stays out of the rungs. Finalists skip the rungs and end early
    only if they diverge.
    """

    def __init__(
        self,
        *,
        grace_epochs: float,
        rows: int,
        budget_examples: int,
        reduction_factor: float,
        gate: GateSettings,
    ) -> None:
        self._rows, self._reduction_factor, self._gate = rows, reduction_factor, gate
        self._signs: dict[int, list[Signs]] = {}
        self._stopped_at: dict[int, int] = {}  # examples, of running trials that a rung had stopped before a crash
        self.begin_again(grace_epochs=grace_epochs, budget_examples=budget_examples)

    def begin_again(self, *, grace_epochs: float, budget_examples: int) -> None:
        factor, rows = self._reduction_factor, self._rows
        max_epochs = budget_examples / rows
        levels = rung_examples(grace_epochs=grace_epochs, reduction_factor=factor, max_epochs=max_epochs, rows=rows)
        self.rungs = Rungs(levels, reduction_factor=factor)
        self._grace = grace_of(grace_epochs=grace_epochs, max_epochs=max_epochs, rows=rows, settings=self._gate)
        self._budget_examples = budget_examples
        self._signs.clear()
        self._stopped_at.clear()

    def judge(self, trial: PrunedTrial, measurement: PrunedMeasurement) -> Decision | None:
        judgement = self._ask_gate(trial.index, measurement)
        if judgement == "diverged":
            return Decision("diverged", _describe_divergence(trial, measurement))
        if trial.phase == "search":
            if judgement == "collapsed":
                return Decision("collapsed", _describe_collapse(measurement.signs))
            if not self._passes_rung(trial.index, measurement, judgement) and not measurement.is_last:
                return Decision("stopped", f"below its rung at {show_count(measurement.epochs, 'epoch')}")
        if not measurement.is_last:
            return None
        is_whole_budget = measurement.examples >= self._budget_examples
        return Decision(
            "completed", "" if is_whole_budget else "no better score for search.patience measurements in a row"
        )

    def replay(self, measurements: Iterable[tuple[int, PrunedMeasurement]], *, running: Collection[int]) -> None:
        for index, measurement in measurements:
            # A rung decides on a trial only once, so remember where it stopped one.
            if not self._passes_rung(index, measurement, self._ask_gate(index, measurement)):
                self._stopped_at[index] = measurement.examples
        for index in self._signs.keys() - running:
            self.forget(index)

    def forget(self, index: int) -> None:
        self.rungs.forget(index)
        self._signs.pop(index, None)
        self._stopped_at.pop(index, None)

    def _ask_gate(self, index: int, measurement: PrunedMeasurement) -> Judgement:
        # A worker that replaces a dead one repeats the measurements after the last checkpoint; the repeated values count.
        before = [signs for signs in self._signs.get(index, ()) if signs.epochs < measurement.epochs]
        self._signs[index] = [*before, measurement.signs]
        return judge(self._signs[index], grace=self._grace, settings=self._gate)

    def _passes_rung(self, index: int, measurement: PrunedMeasurement, judgement: Judgement) -> bool:
        """Ask the rungs about a search trial's measurement. At the full budget there is nothing left to decide."""
        if self._stopped_at.get(index) == measurement.examples:
            return False
        if measurement.examples >= self._budget_examples:
            return True
        score = measurement.score if judgement == "healthy" else None
        return self.rungs.goes_on(index, measurement.examples, score)


def _describe_divergence(trial: PrunedTrial, measurement: PrunedMeasurement) -> str:
    """Say at which step the trial diverged, and with which values of the settings that can cause it."""
    chosen = {name: trial.configuration[name] for name in _SUSPECTS if name in trial.configuration}
    if measurement.precision:  # what "auto" resolved to
        chosen["precision"] = measurement.precision
    settings = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in chosen.items()
    )
    return f"a number was not finite at step {measurement.diverged_at_step}" + (
        f", with {settings}" if settings else ""
    )


def _describe_collapse(signs: Signs) -> str:
    return (
        f"constant penalty {signs.constant_penalty:.2f}, skill {signs.skill:+.3f}, "
        f"logits move by {signs.logit_spread:.3f} from row to row"
    )
