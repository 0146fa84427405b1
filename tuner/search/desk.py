"""The desk of a search: which trial runs next, what has become of the others, and when the search makes way for finalists."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tuner.health import STATIC
from tuner.ledger import Ledger
from tuner.reporting import Order, Report
from tuner.search.budget import CLOSING_S, affordable, finalists_seconds
from tuner.space.load import Space
from tuner.space.sampler import Configuration, Sampler, configuration_hash

ENDINGS = ("completed", "stopped", "collapsed", "diverged", "failed", "interrupted")
_UNFIT = ("collapsed", "diverged", "failed")
# Reported, but not in the table of reports.
_OF_THE_TRIAL = ("is_last", "parameters", "precision", "vocabulary_found", *STATIC)


@dataclass
class TrialState:
    """One trial as the desk knows it, since its latest start but for `starts` and `started_s`.

    `best` is the report with the highest score, `curve` (examples, score) of every report, emptied when the trial ends.
    """

    order: Order
    parent: int | None = None
    starts: int = 0
    started_s: float = 0.0
    ending: str | None = None
    reason: str = ""
    best: Report | None = None
    last: Report | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)
    train_seconds: float = 0.0
    seconds_per_example: float = float("inf")
    seconds_per_report: float = 0.0

    @property
    def score(self) -> float:
        """The score of the best report, minus infinity before there is one."""
        return self.best.score if self.best else float("-inf")

    @cached_property
    def configuration_hash(self) -> str:
        """The hash of its configuration, once: every tick ranks all trials."""
        return configuration_hash(self.order.configuration)

    def begin(self) -> None:
        """Start, or start again."""
        self.starts += 1
        self.curve.clear()
        self.best = self.last = None  # a finalist's new worker writes over the weights of the old one
        self.train_seconds = 0.0

    def take(self, report: Report) -> None:
        """Take in a report."""
        seconds = report.train_seconds + report.evaluate_seconds
        examples = report.examples - (self.last.examples if self.last else 0)
        # The quickest stretch: the first one pays for kernels being built, and others may have had to share the machine.
        self.seconds_per_example = min(self.seconds_per_example, seconds / max(examples, 1))
        self.seconds_per_report = seconds
        self.last = report
        self.curve.append((report.examples, report.score))
        self.train_seconds += report.train_seconds
        if report.score > self.score:  # never so for NaN
            self.best = report

    def full_run_seconds(self, budget_examples: int) -> float:
        """Estimate how long this configuration takes for `budget_examples`, from what it took so far."""
        return self.seconds_per_example * budget_examples


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A search at one moment, for whoever watches. Seconds left are None where only the number of trials is limited."""

    phase: Literal["search", "finalists"]
    elapsed_s: float
    left_s: float | None
    running: tuple[TrialState, ...]
    endings: Counter[str]
    asked: int
    limit: int | None
    best: TrialState | None


class SearchDesk:
    """Hands out search trials until their time or number is over, then the finalists' runs; writes all to the ledger.

    Seconds are counted by `clock`, from the start of the run.
    """

    def __init__(
        self,
        space: Space,
        sampler: Sampler,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        slots: int,
        budget_examples: int,
        say: Callable[[str], None],
        watch: Callable[[Snapshot], None],
    ) -> None:
        self._space, self._sampler, self._ledger = space, sampler, ledger
        self._clock, self._slots, self._budget_examples = clock, slots, budget_examples
        self._say, self._watch = say, watch
        self.trials: dict[int, TrialState] = {}
        self.ended_by: Literal["time", "trials"] = "trials"
        # Finalists to come, with their parents; None while searching.
        self._queue: list[tuple[int, Order]] | None = None
        self._asked = 0

    # --- what Ray asks ---

    def next_order(self) -> Order | None:
        """Return the next search trial or, when the search is over, the next finalist's run."""
        if self._queue is None:
            if self._is_search_open():
                return self._next_search_order()
            if self._running("search") and not self._is_search_late():
                return None
            self._queue = self._choose_finalists()
        if not self._queue:
            return None
        parent, order = self._queue.pop(0)
        self.trials[order.index] = TrialState(order, parent=parent)
        return order

    def is_done(self) -> bool:
        """Return whether every finalist's run has been handed out."""
        return self._queue is not None and not self._queue

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending has been noted."""
        return self.trials[order.index].ending is not None

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""
        return self._is_search_late() if order.phase == "search" else self._is_run_late()

    # --- what Ray tells ---

    def started(self, order: Order) -> None:
        """Note that a worker has begun a trial."""
        state = self.trials[order.index]
        state.begin()
        if state.starts == 1:
            state.started_s = self._clock()
        self._ledger.add("trials", self._trial_row(state))

    def reported(self, order: Order, report: Report) -> None:
        """Note a report."""
        state = self.trials[order.index]
        state.take(report)
        row = {name: value for name, value in asdict(report).items() if name not in _OF_THE_TRIAL}
        self._ledger.add("reports", {"trial": order.index, "start": state.starts, **row, "reported_s": self._clock()})

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""
        state = self.trials[order.index]
        state.ending, state.reason = ending, reason
        self._ledger.add("trials", self._trial_row(state))
        self._ledger.flush()
        if order.phase == "search":
            self._sampler.tell(order.index, reports=state.curve, ending=ending)
        state.curve = []  # it is in the ledger; of thousands of ended trials only what a ranking reads stays in memory

    def tick(self) -> None:
        """Write what waits, and let the watcher see."""
        self._ledger.flush(is_due=False)
        self._watch(self.snapshot())

    def interrupt(self) -> None:
        """Note every running trial as interrupted."""
        for state in self._running():
            self.ended(state.order, "interrupted", "the run was interrupted")

    # --- what the rest of the search asks ---

    def snapshot(self) -> Snapshot:
        """Return the search as it stands."""
        limit_s = self._space.search.time
        elapsed = self._clock()
        ranked = self._ranking()
        return Snapshot(
            phase="search" if self._queue is None else "finalists",
            elapsed_s=elapsed,
            left_s=None if limit_s is None else max(0.0, limit_s - elapsed),
            running=tuple(state for state in self._running() if state.starts),
            endings=Counter(state.ending for state in self.trials.values() if state.ending),
            asked=self._asked,
            limit=self._space.search.trials,
            best=ranked[0] if ranked else None,
        )

    def finalist_runs(self) -> dict[int, list[TrialState]]:
        """Return the finalists' runs that have a score, by the search trial that each repeats."""
        runs: dict[int, list[TrialState]] = {}
        for state in self.trials.values():
            if state.parent is not None and state.best is not None:
                runs.setdefault(state.parent, []).append(state)
        return runs

    def describe_failures(self) -> str:
        """Return how trials ended and for which reasons, the commonest first."""
        reasons = Counter((state.ending, state.reason) for state in self.trials.values())
        return "; ".join(f"{count} {ending} ({reason})" for (ending, reason), count in reasons.most_common(3))

    # --- the search phase ---

    def _is_search_open(self) -> bool:
        limit = self._space.search.trials
        return (limit is None or self._asked < limit) and not self._is_search_late()

    def _is_search_late(self) -> bool:
        limit_s = self._space.search.time
        is_late = limit_s is not None and self._clock() > limit_s - self._reserve()
        if is_late and self._queue is None:
            self.ended_by = "time"
        return is_late

    def _is_run_late(self) -> bool:
        limit_s = self._space.search.time
        return limit_s is not None and self._clock() > limit_s - CLOSING_S

    def _reserve(self) -> float:
        """Seconds that finalists and closing need, as far as is known, but never more than half of all.

        The change to finalists is final, so that one slow stretch early on must not bring it about.
        """
        search = self._space.search
        half = (search.time or 0.0) / 2
        best = self._ranking()[: 2 * search.finalists]
        if not best:
            return half
        # The slowest of twice as many: the ranking may still change, and what is reserved has to do for whoever leads then.
        full_runs = sorted(self._finalist_seconds(state) for state in best)[-search.finalists :]
        # A running trial makes way at its next report, so the longest stretch between two has to be waited for.
        waiting = max((state.seconds_per_report for state in self._running("search")), default=0.0)
        return min(half, CLOSING_S + waiting + finalists_seconds(full_runs, seeds=search.seeds, slots=self._slots))

    def _next_search_order(self) -> Order:
        index = self._asked
        self._asked += 1
        limit_s = self._space.search.time
        order = Order(
            index=index,
            phase="search",
            configuration=self._sampler.ask(index),
            seed=derive_seed(self._space.search.seed, index),
            start_before=None if limit_s is None else time.time() - self._clock() + limit_s - self._reserve(),
        )
        self.trials[index] = TrialState(order)
        return order

    # --- finalists ---

    def _finalist_seconds(self, state: TrialState) -> float:
        """Estimate one finalist's run. With k folds it trains one model more, on all rows: as much as k / (k - 1) of them."""
        folds = self._space.data.folds
        return state.full_run_seconds(self._budget_examples) * (folds / (folds - 1) if folds else 1.0)

    def _choose_finalists(self) -> list[tuple[int, Order]]:
        search = self._space.search
        best = self._ranking()[: search.finalists]
        if not best:
            best = self._ranking(are_unfit_allowed=True)[:1]
            if not best:
                return []
            self._say("every trial collapsed: the best of them goes on as the only finalist")
        finalists, seeds = len(best), search.seeds
        if search.time is not None:
            full_runs = [self._finalist_seconds(state) for state in best]
            left_s = search.time - CLOSING_S - self._clock()
            finalists, seeds = affordable(full_runs, seeds=seeds, slots=self._slots, seconds=left_s)
        if (finalists, seeds) != (search.finalists, search.seeds):
            self._say(
                f"finalists: {finalists} × {seeds} seeds instead of {search.finalists} × {search.seeds}, "
                f"for want of {'time' if finalists * seeds < len(best) * search.seeds else 'healthy trials'}"
            )
        self._ledger.flush()
        runs = [
            (state, self._finalist_order(state, number, self._asked + number * finalists + place))
            for number in range(seeds)
            for place, state in enumerate(best[:finalists])
        ]
        if self._slots > 1:  # the longest first, so that slots end together; one slot keeps to what no clock decides
            runs.sort(key=lambda run: -self._finalist_seconds(run[0]))
        return [(state.order.index, order) for state, order in runs]

    def _finalist_order(self, state: TrialState, number: int, index: int) -> Order:
        return Order(
            index=index,
            phase="finalist",
            configuration=state.order.configuration,
            seed=derive_seed(self._space.search.seed, state.order.index, number + 1),
            weights=f"{self._ledger.address}/{weights_name(index)}",
        )

    def _ranking(self, *, are_unfit_allowed: bool = False) -> list[TrialState]:
        """Search trials by score, best first, each configuration once."""
        fit = [
            state
            for state in self.trials.values()
            if state.parent is None and state.best and (are_unfit_allowed or state.ending not in _UNFIT)
        ]
        fit.sort(key=lambda state: -state.score)
        by_configuration = {state.configuration_hash: state for state in reversed(fit)}
        return sorted(by_configuration.values(), key=lambda state: -state.score)

    def _running(self, phase: str | None = None) -> list[TrialState]:
        return [state for state in self.trials.values() if state.ending is None and phase in (None, state.order.phase)]

    def _trial_row(self, state: TrialState) -> dict[str, Any]:
        best, last = state.best, state.last
        configuration = state.order.configuration
        return {
            "trial": state.order.index,
            "phase": state.order.phase,
            "parent": state.parent,
            "seed": state.order.seed,
            "configuration": json.dumps(dict(configuration)),
            "configuration_hash": state.configuration_hash,
            "ending": state.ending,
            "reason": state.reason or None,
            "score": best.score if best else None,
            "score_spread": _known(best.score_spread) if best else None,
            "macro_f1": best.macro_f1 if best else None,
            "constant_penalty": best.constant_penalty if best else None,
            "skill": best.skill if best else None,
            "best_epochs": best.epochs if best else None,
            "epochs": last.epochs if last else 0.0,
            "examples": last.examples if last else 0,
            "starts": state.starts,
            "parameters": last.parameters if last else None,
            "precision": last.precision if last else None,
            **{name: _known(getattr(last, name)) if last else None for name in ("vocabulary_found", *STATIC)},
            "double_correction": is_double_correction(configuration),
            "train_seconds": state.train_seconds,
            "started_s": state.started_s,
            "ended_s": self._clock() if state.ending else None,
        }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def weights_name(index: int) -> str:
    """Return where in the run directory a finalist's run keeps its best weights."""
    return f"finalists/trial-{index}.safetensors"


def is_double_correction(configuration: Configuration) -> bool:
    """Return whether imbalance is corrected more than once: by loss weights, resampling or adjusted logits."""
    corrections = (
        configuration["loss_weights"] != "none",
        configuration["resampling"] != "none",
        configuration["logit_adjustment"] != 0,
    )
    return sum(corrections) > 1


def derive_seed(*numbers: int) -> int:
    """Derive a seed from the run's seed and what it is for: independent streams, the same every time."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
