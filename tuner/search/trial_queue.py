"""The desk of a search: which trial runs next, what has become of the others, and when the search makes way for finalists."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from statistics import median
from typing import Literal

import numpy as np

from tuner.errors import SearchFailed, StorageError
from tuner.ledger.rows import INTERRUPTED, Past, PastTrial, measurement_row
from tuner.ledger.run_directory import CHECKPOINTS, Ledger, checkpoint_name, held_out_name, weights_name
from tuner.samplers.sampler import Sampler
from tuner.search.finalists import ranked, slowdown
from tuner.search.kept_trials import best_models, least_score
from tuner.search.snapshot import Snapshot
from tuner.search.time_budget import MAKING_WAY_S, Sizes, affordable, closing_seconds, finalists_seconds
from tuner.space.load import Space
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order
from tuner.trial.record import TrialState, trial_row

ENDINGS = ("completed", "stopped", "collapsed", "diverged", "failed", "interrupted")
_TOO_LATE = "the budget was over"
_FAILED_AT_FIRST = 10  # trials, from the first on, that all failed: so will the others


class SearchQueue:
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
        sizes: Sizes,
        say: Callable[[str], None],
        watch: Callable[[Snapshot], None],
    ) -> None:
        self._space, self._sampler, self._ledger = space, sampler, ledger
        self._clock, self._slots, self._budget_examples, self._sizes = clock, slots, budget_examples, sizes
        self._say, self._watch = say, watch
        self.trials: dict[int, TrialState] = {}
        self.ended_by: Literal["time", "cost", "trials"] = "trials"
        self._again: list[Order] = []  # search trials that a resumed run has to take up first
        self._finalist_runs: list[Order] | None = None  # finalists' runs to come; None while searching
        self._asked = 0  # search trials
        self._next = 0  # the number of the next trial, of either phase
        self._with_weights: set[int] = set()  # search trials that have ended and may still be among the best

    def replay(self, past: Past, *, is_to_search_on: bool = False) -> None:
        """Take up where a run stopped: afterwards all is as if every trial so far had been this desk's own.

        Trials that were running come again before new ones are asked for, each with its configuration and seed; of the
        finalists, if they had been chosen, those runs that are missing. With `is_to_search_on` the search goes on after its
        finalists, of which none is to be the champion, if the budget is larger now.
        """
        search = sorted((each for each in past.trials if each.phase == "search"), key=lambda each: each.index)
        finalists = [each for each in past.trials if each.phase == "finalist"]
        for trial in search:
            for index in sorted({*range(self._next, trial.index)} - {each.index for each in finalists}):
                self._again.append(self._ask(index))  # its row was in a damaged part: it is asked for again
            self._asked, self._next = self._asked + 1, trial.index + 1
            self._sampler.replay(trial.index, trial.configuration)
            self._take_up(trial)
        # The search may have gone on after earlier finalists.
        current = [each for each in finalists if each.index >= self._next]
        for trial in finalists:
            self._take_up(trial)
        for index, measurement in past.measurements:
            self.trials[index].take(measurement)
        for trial in past.trials:
            state = self.trials[trial.index]
            if trial.ending is not None:
                self._put_away(state)
            elif trial.phase == "search":
                self._again.append(state.order)
        self._again.sort(key=lambda order: order.index)
        # A crash may have come before the weights of a trial that is no longer among the best were deleted.
        there = set(self._ledger.folder.below("finalists").names())
        self._with_weights = {
            state.order.index
            for state in self._searched()
            if state.ending is not None and weights_name(state.order.index).rpartition("/")[2] in there
        }
        self._keep_best_weights()
        self._next = max([self._next, *(each.index + 1 for each in finalists)])
        open_runs = [self.trials[each.index].order for each in current if each.ending is None]
        if current and (open_runs or not (is_to_search_on and self._is_search_open())):
            self._finalist_runs = open_runs
            self._give_up_search()
            limit = self._space.search.trials
            if self._space.search.seconds is not None and (limit is None or self._asked < limit):
                self.ended_by = self._space.search.tightest

    def _take_up(self, trial: PastTrial) -> None:
        order = self._place(Order(trial.index, trial.phase, trial.configuration, trial.seed))
        state = TrialState(order, trial.parent, trial.starts, trial.started_s, ending=trial.ending, reason=trial.reason)
        self.trials[trial.index] = state

    # --- what Ray asks ---

    def next_order(self) -> Order | None:
        """Return the next search trial or, when the search is over, the next finalist's run."""
        if self._finalist_runs is None:
            if self._again and not self._is_search_late():
                return self._hand_out(self._again.pop(0))
            if self._is_search_open():
                return self._hand_out(self._ask(self._next))
            if self._running("search") and not self._is_search_late():
                return None
            self._close_search()
        return self._finalist_runs.pop(0) if self._finalist_runs else None

    def is_done(self) -> bool:
        """Return whether every finalist's run has been handed out."""
        return self._finalist_runs is not None and not self._finalist_runs

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
        state.starts += 1
        state.heard_s = self._clock()
        if state.starts == 1:
            state.started_s = state.heard_s
        self._ledger.add("trials", self._row(state))

    def waits(self, order: Order) -> None:
        """Note that a trial whose worker died waits for another one: for as long as no slot is free, which is no hanging."""
        self.trials[order.index].heard_s = None

    def reported(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        """Note a report, at once where the trial makes a checkpoint after it."""
        state = self.trials[order.index]
        now = self._clock()
        state.take(measurement, waited_s=0.0 if state.heard_s is None else now - state.heard_s)
        state.heard_s = now
        row = {"trial": order.index, "start": state.starts, **measurement_row(measurement), "reported_s": now}
        self._ledger.add("reports", row)
        if is_to_be_kept:
            self._flush()

    def noted(self, order: Order, note: str) -> None:
        """Say something about a trial that a person should know."""
        self._say(f"note: trial {order.index}: {note}")

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""
        state = self.trials[order.index]
        state.ending, state.reason = ending, reason
        self._ledger.add("trials", self._row(state))
        self._flush()
        if state.measurements and reason != INTERRUPTED:
            with suppress(StorageError):
                self._ledger.folder.delete(checkpoint_name(order.index))
            if order.phase == "search" and order.weights is not None:
                self._with_weights.add(order.index)
                self._keep_best_weights()
        self._put_away(state)

    def _keep_best_weights(self) -> None:
        best = {state.order.index for state in best_models(self._searched())}
        for index in self._with_weights - best:
            with suppress(StorageError):
                for name in (weights_name(index), held_out_name(weights_name(index))):
                    self._ledger.folder.delete(name)
        self._with_weights &= best

    def _flush(self) -> None:
        with suppress(StorageError):  # the next tick raises it, where Ray does not wrap it in words of its own
            self._ledger.flush()

    def _put_away(self, state: TrialState) -> None:
        """Tell the sampler of a trial that has ended, and keep of it only what a ranking reads: there may be thousands."""
        assert state.ending is not None
        if state.order.phase == "search":
            curve = [(measurement.examples, measurement.score) for measurement in state.measurements]
            self._sampler.tell(state.order.index, measurements=curve, ending=state.ending)
        state.measurements = []

    def hung(self) -> Sequence[Order]:
        """Return the trials that have sent nothing for `search.trial_timeout`, now noted as failed."""
        timeout = self._space.search.trial_timeout
        if timeout is None:
            return ()
        late = [
            state for state in self._running() if state.heard_s is not None and self._clock() - state.heard_s > timeout
        ]
        for state in late:
            self.ended(state.order, "failed", f"no report for {timeout:g} s, which is search.trial_timeout")
        return [state.order for state in late]

    def tick(self) -> None:
        """Write what waits, and let the watcher see. Raises StorageError, and SearchFailed where every trial fails."""
        self._ledger.flush(is_due=False)
        self._refuse_to_fail_on()
        self._watch(self.snapshot())

    def _refuse_to_fail_on(self) -> None:
        # As a rule the first trials answer this, however many there are.
        if any(state.ending not in (None, "failed") for state in self.trials.values()):
            return
        if sum(state.ending == "failed" for state in self.trials.values()) >= _FAILED_AT_FIRST:
            raise SearchFailed(f"every trial fails, so the search has stopped: {self.describe_failures()}")

    def interrupt(self) -> None:
        """Note every running trial as interrupted."""
        for state in self._running():
            self.ended(state.order, "interrupted", INTERRUPTED)

    # --- what the rest of the search asks ---

    def unfinished_files(self) -> tuple[str, ...]:
        """Return the files of the run directory that a resumed run writes on, and until it is gone a worker; "/" ends folders."""
        runs = [each.order for each in self.trials.values() if each.reason == INTERRUPTED]
        weights = [weights_name(order.index) for order in runs if order.weights is not None]
        return f"{CHECKPOINTS}/", *weights, *map(held_out_name, weights)

    def snapshot(self) -> Snapshot:
        """Return the search as it stands."""
        limit_s = self._space.search.seconds
        elapsed = self._clock()
        ranking = ranked(self.trials.values())
        return Snapshot(
            phase="search" if self._finalist_runs is None else "finalists",
            elapsed_s=elapsed,
            left_s=None if limit_s is None else max(0.0, limit_s - elapsed),
            running=tuple(state for state in self._running() if state.heard_s is not None),
            endings=Counter(state.ending for state in self.trials.values() if state.ending),
            asked=self._asked,
            limit=self._space.search.trials,
            max_epochs=self._space.search.max_epochs,
            best=ranking[0] if ranking else None,
        )

    def finalist_runs(self) -> list[TrialState]:
        """Return the finalists' runs, those of finalists that the search went on after too."""
        return [state for state in self.trials.values() if state.parent is not None]

    def kept_trials(self) -> list[TrialState]:
        """Return the search trials that should have kept the weights of their best report: best first, a few."""
        return [state for state in best_models(self._searched()) if state.order.weights is not None]

    def _searched(self) -> Iterator[TrialState]:
        return (state for state in self.trials.values() if state.parent is None)

    def describe_failures(self) -> str:
        """Return how trials ended and for which reasons: first what failed, then the commonest."""
        reasons = Counter((state.ending, state.reason) for state in self.trials.values() if state.ending)
        told = sorted(reasons.most_common(), key=lambda each: each[0][0] != "failed")[:3]
        return "; ".join(
            f"{count} {ending} ({reason})" if reason else f"{count} {ending}" for (ending, reason), count in told
        )

    # --- the search phase ---

    def _is_search_open(self) -> bool:
        limit = self._space.search.trials
        return (limit is None or self._asked < limit) and not self._is_search_late()

    def _is_search_late(self) -> bool:
        limit_s = self._space.search.seconds
        is_late = limit_s is not None and self._clock() > limit_s - self._reserve()
        if is_late and self._finalist_runs is None:
            self.ended_by = self._space.search.tightest
        return is_late

    def _is_run_late(self) -> bool:
        limit_s = self._space.search.seconds
        return limit_s is not None and self._clock() > limit_s - self._closing_s()

    def _closing_s(self) -> float:
        """Seconds that closing needs, by how long the best trials took to evaluate, but never more than half of all."""
        search, rows = self._space.search, max(self._sizes.validation, 1)
        best = ranked(self.trials.values())[: search.finalists]
        predict_s = median([state.last.evaluate_seconds / rows for state in best if state.last] or [0.0])
        needed = closing_seconds(
            self._sizes,
            finalists=search.finalists,
            seeds=search.seeds,
            predict_s=predict_s,
            slowdown=slowdown(list(self.trials.values())),
        )
        return min(needed, (search.seconds or 0.0) / 2)

    def _reserve(self) -> float:
        """Seconds that finalists and closing need, as far as is known, but never more than half of all.

        The change to finalists is final, so that one slow stretch early on must not bring it about.
        """
        search = self._space.search
        half = (search.seconds or 0.0) / 2
        best = ranked(self.trials.values())[: 2 * search.finalists]
        if not best:
            return half
        # The slowest of twice as many: the ranking may still change, and what is reserved has to do for whoever leads then.
        full_runs = sorted(self._finalists_seconds(best))[-search.finalists :]
        # A running trial makes way at its next report, so the longest stretch between two has to be waited for.
        waiting = max((state.seconds_per_measurement for state in self._running("search")), default=0.0)
        needed = finalists_seconds(full_runs, seeds=search.seeds, slots=self._slots)
        return min(half, self._closing_s() + MAKING_WAY_S + waiting + needed)

    def _hand_out(self, order: Order) -> Order:
        return replace(order, start_before=self._start_before(), keep_above=least_score(self._searched()))

    def _ask(self, index: int) -> Order:
        """Ask the sampler for a trial; its row is there before it begins, so that a resumed run need not ask again."""
        self._asked, self._next = self._asked + 1, max(self._next, index + 1)
        seed = derive_seed(self._space.search.seed, index)
        return self._enter(TrialState(self._place(Order(index, "search", self._sampler.ask(index), seed))))

    def _enter(self, state: TrialState) -> Order:
        self.trials[state.order.index] = state
        self._ledger.add("trials", self._row(state))
        return state.order

    def _start_before(self) -> float | None:
        limit_s = self._space.search.seconds
        return None if limit_s is None else time.time() - self._clock() + limit_s - self._reserve()

    def _place(self, order: Order) -> Order:
        """Say where a trial keeps what has to outlive its worker. With folds no model of a search trial has seen all rows."""
        address = self._ledger.address
        has_model = order.phase == "finalist" or self._space.data.folds is None
        weights = f"{address}/{weights_name(order.index)}" if has_model else None
        return replace(order, weights=weights, checkpoint=f"{address}/{checkpoint_name(order.index)}")

    # --- finalists ---

    def _close_search(self) -> None:
        self._give_up_search()
        chosen = self._choose_finalists()
        self._finalist_runs = [self._enter(TrialState(order, parent)) for parent, order in chosen]
        self._next += len(chosen)
        self._flush()

    def _give_up_search(self) -> None:
        """Note that there is no time for what a resumed run had still to take up."""
        while self._again:
            self.ended(self._again.pop(0), "interrupted", _TOO_LATE)

    def _finalists_seconds(self, states: Sequence[TrialState]) -> list[float]:
        """Estimate a finalist's run of each. With k folds it trains one model more, on all rows: k / (k - 1) of them."""
        folds = self._space.data.folds
        factor = slowdown(list(self.trials.values())) * (folds / (folds - 1) if folds else 1.0)
        return [factor * state.full_run_seconds(self._budget_examples) for state in states]

    def _choose_finalists(self) -> list[tuple[int, Order]]:
        search = self._space.search
        best = ranked(self.trials.values())[: search.finalists]
        if not best:
            best = ranked(self.trials.values(), are_unfit_allowed=True)[:1]
            if not best:
                return []
            self._say("every trial collapsed: the best of them goes on as the only finalist")
        finalists, seeds = len(best), search.seeds
        if search.seconds is not None:
            full_runs = self._finalists_seconds(best)
            left_s = search.seconds - self._closing_s() - self._clock()
            finalists, seeds = affordable(full_runs, seeds=seeds, slots=self._slots, seconds=left_s)
        if (finalists, seeds) != (search.finalists, search.seeds):
            self._say(
                f"finalists: {finalists} × {seeds} seeds instead of {search.finalists} × {search.seeds}, "
                f"for want of {'time' if finalists * seeds < len(best) * search.seeds else 'healthy trials'}"
            )
        before = Counter(state.parent for state in self.trials.values())  # where the search went on after its finalists
        runs = [
            (state, self._finalist_order(state, before[state.order.index] + number, self._next + place))
            for place, (number, state) in enumerate(product(range(seeds), best[:finalists]))
        ]
        if self._slots > 1:  # the longest first, so that slots end together; one slot keeps to what no clock decides
            runs.sort(key=lambda run: -run[0].full_run_seconds(self._budget_examples))
        return [(state.order.index, order) for state, order in runs]

    def _finalist_order(self, state: TrialState, number: int, index: int) -> Order:
        seed = derive_seed(self._space.search.seed, state.order.index, number + 1)
        return self._place(Order(index, "finalist", state.order.configuration, seed))

    def _row(self, state: TrialState) -> dict[str, object]:
        return trial_row(state, now=self._clock())

    def _running(self, phase: str | None = None) -> list[TrialState]:
        return [state for state in self.trials.values() if state.ending is None and phase in (None, state.order.phase)]


def derive_seed(*numbers: int) -> int:
    """Derive a seed from the run's seed and what it is for: independent streams, the same every time."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
