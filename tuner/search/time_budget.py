"""How much time finalists and closing will need, and how many finalists fit into the rest."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from itertools import zip_longest
from statistics import median

from tuner.errors import Fault, SpaceError
from tuner.scoring.bootstrap import SAMPLES
from tuner.search.trial_records import TrialRecords
from tuner.show_value import show_duration
from tuner.space.assignment import as_words
from tuner.space.larger_budget import larger_budget
from tuner.space.load import Space
from tuner.trial.order import PAUSE_S, pause_s
from tuner.trial.record import TrialRecord

SAFETY = 1.1
"""Factor on estimates: finalists use all slots at once, which is a little slower than what was measured."""
BETWEEN_TRIALS_S = 0.5
MAKING_WAY_S = 1.5
"""From the end of a phase to the next one, without the wait for evaluations, if trials pause twice a second. Ray has asked for
some trials in advance, and they are turned away one by one."""
CLOSING_S = 3.0
"""Closing on some thousand rows: reading the models, predictions, intervals, the bundle, stopping Ray, printing."""
COMPARED_BASELINES = 4
"""Baselines that the champion is compared with on the test rows; there may be fewer."""
_MEMBERS = 8  # models that predict the test rows: those of a committee and of the alternatives to it
_SEARCHED = 12  # search trials that may be members, beside the finalists' runs; there may be fewer
_MOST_SLOWDOWN = 2.0  # of closing: by then the trials have ended, and the load that they make themselves with them
# Seconds, measured on one core of an AMD EPYC.
_DRAW_S = 28e-9  # one row of a resample
_COLUMN_S = 0.2e-9  # one column of that row
_DECIDE_S = 0.7e-6  # one decision of a model: thresholds on both halves, and the score
_CHOOSE_S = 0.8e-6  # one decision of a possible member: the choices of a committee and of a blend
_MEASURE_S = 0.35e-6
_WRITE_S = 6e-6  # one row of predictions


@dataclass(frozen=True, kw_only=True)
class ClosingWork:
    """How much closing has to process: rows, labels, and the seconds of fitting a tokeniser on the training texts."""

    validation: int = 0
    test: int = 0
    labels: int = 0
    fitting_s: float = 0.0
    are_validation_rows_predicted: bool = True


@dataclass(kw_only=True)
class TimeBudget:
    """A search's time limit, and how much of it finalists and closing will need.

    `clock` gives the seconds since the run began. `slots` is the number of trials that run side by side, and
    `budget_examples` the length of a full run. A finished run that is given more had taken `begun_s` seconds. `load` is how many
    times as long work takes here as on an idle machine.
    """

    space: Space
    clock: Callable[[], float]
    slots: int
    budget_examples: int
    closing_work: ClosingWork
    begun_s: float = 0.0
    load: float = 1.0

    @property
    def limit_s(self) -> float | None:
        """Seconds that the whole run may take, None without a limit."""
        return self.space.search.seconds

    def left_s(self) -> float | None:
        """Return the seconds left, None without a limit."""
        return None if self.limit_s is None else max(0.0, self.limit_s - self.clock())

    def is_search_over(self, records: TrialRecords) -> bool:
        """Return whether search trials must make way for the finalists."""
        return self.limit_s is not None and self.clock() >= self.limit_s - self.reserve_s(records)

    def are_finalists_over(self, records: TrialRecords) -> bool:
        """Return whether only the time for closing is left."""
        return self.limit_s is not None and self.clock() > self.limit_s - self._after_finalists_s(records)

    def is_up(self, records: TrialRecords) -> bool:
        """Return whether only the time for closing is left, even if trials have not made way yet.

        Without a measurement there is nothing to close, so the first one may still come a little later.
        """
        share = 1.0 if records.has_measurement else 0.5
        return self.limit_s is not None and self.clock() > self.limit_s - share * self.closing_s(records)

    def latest_start(self, records: TrialRecords, *, is_finalist: bool = False) -> float | None:
        """Return when the last search trial or finalist's run may start, in seconds since the epoch; None without a limit.

        The first trials may start late: without a measurement there are no finalists either.
        """
        if self.limit_s is None:
            return None
        is_late = is_finalist or not records.has_measurement
        reserve_s = self._after_finalists_s(records) if is_late else self.reserve_s(records)
        return time.time() - self.clock() + self.limit_s - reserve_s

    def reserve_s(self, records: TrialRecords) -> float:
        """Estimate the seconds for finalists and closing; at most half of the time from the first trial to the limit.

        The search never resumes once the finalists begin, so one slow stretch early on must not end the search.
        """
        search, half = self.space.search, self._half_s(records)
        best = records.ranking.first(2 * search.finalists)
        if not best:
            return half
        # Take the slowest of twice as many, because the ranking may still change, and the reserve must suffice for the new
        # leaders.
        full_runs = sorted(self.full_runs_s(best, records))[-search.finalists :]
        needed = finalists_seconds(full_runs, seeds=search.seeds, slots=self.slots)
        return min(
            half, self._after_finalists_s(records) + making_way_s(self.slots) + records.longest_evaluation_s() + needed
        )

    def _half_s(self, records: TrialRecords) -> float:
        """Return half of the seconds that trials, finalists and closing have, or that a finished run was given more."""
        begun_s = self.clock() if records.first_start_s is None else records.first_start_s
        return max(0.0, (self.limit_s or 0.0) - max(begun_s, self.begun_s)) / 2

    def _after_finalists_s(self, records: TrialRecords) -> float:
        """Estimate the seconds from the moment at which finalists' runs are told to end, until the end."""
        return self.closing_s(records) + making_way_s(self.slots) + records.longest_evaluation_s()

    def closing_s(self, records: TrialRecords) -> float:
        """Estimate the seconds for closing from the evaluation times of the best trials; at most half of the limit."""
        search, rows = self.space.search, max(self.closing_work.validation, 1)
        best = records.ranking.first(search.finalists)
        predict_s = median([record.last.evaluate_seconds / rows for record in best if record.last] or [0.0])
        needed = closing_seconds(
            self.closing_work,
            finalists=search.finalists,
            seeds=search.seeds,
            predict_s=predict_s,
            slowdown=max(self.load, records.recent_slowdown()),
        )
        return min(needed, max(0.0, (self.limit_s or 0.0) - self.begun_s) / 2)

    def full_runs_s(self, parents: Sequence[TrialRecord], records: TrialRecords) -> list[float]:
        """Estimate the seconds of a finalist's run of each parent.

        With k folds a finalist trains one more model, on all rows, which are k / (k - 1) times the rows of a fold model.
        """
        folds = self.space.data.folds
        factor = records.recent_slowdown() * (folds / (folds - 1) if folds else 1.0)
        return [factor * parent.full_run_seconds(self.budget_examples) for parent in parents]

    def affordable_finalists(
        self, best: Sequence[TrialRecord], records: TrialRecords, done: Mapping[int, int]
    ) -> tuple[int, int]:
        """Return how many finalists, of the `best` trials, and how many seeds fit into the time that is left.

        `done` counts the runs that the finalists have already, by their search trial.
        """
        seeds = self.space.search.seeds
        if self.limit_s is None:
            return len(best), seeds
        full_runs = self.full_runs_s(best, records)
        left_s = self.limit_s - self._after_finalists_s(records) - self.clock()
        have = [done.get(trial.order.index, 0) for trial in best]
        return affordable(full_runs, seeds=seeds, slots=self.slots, seconds=left_s, done=have)


def refuse_spent_time(space: Space, spent_s: float) -> None:
    """Raise SpaceError if the time limit is over before the search has begun, so that no trial can be measured."""
    search = space.search
    if search.seconds is None or spent_s < search.seconds:
        return
    what = (
        f"search.{search.tightest} allows {show_duration(search.seconds)}, but reading the data and starting Ray took "
        f"{show_duration(spent_s)}, so no trial would be measured"
    )
    options = shlex.join(as_words(larger_budget(search, ended_by=search.tightest, spent_s=spent_s)))
    place = space.document.place(("search", search.tightest))
    raise SpaceError([Fault(place.text, what, f"allow more: {options}; `tuner plan` says how much is enough")])


def making_way_s(slots: int) -> float:
    """Return how long it takes from the end of a phase to the next one with `slots` trials at once."""
    return MAKING_WAY_S - PAUSE_S + pause_s(slots)


def closing_seconds(work: ClosingWork, *, finalists: int, seeds: int, predict_s: float, slowdown: float = 1.0) -> float:
    """Estimate the seconds from the last finalist's run to the end. A model needs `predict_s` for a row.

    A single champion predicts the validation rows, and the members of a committee predict the test rows. Each model's decisions
    are made again from its stored probabilities, and a committee is chosen. Bootstrap resamples are drawn for the champion's
    intervals on both splits, and for its difference to each other finalist on validation. They are also drawn for its difference
    to each baseline on test, and a committee's to the best single model on validation, once more with the two models swapped.
    `slowdown` is the factor for a busy machine. It is not applied to `predict_s`, which was measured on the machine as it is.
    """
    rows, labels = work.validation + work.test, work.labels
    predicted = _MEMBERS * work.test + work.validation * work.are_validation_rows_predicted
    columns = 3 * labels  # decided, true, and both
    drawn_s = (
        work.test * (_resample_s(columns) + 2 * COMPARED_BASELINES * _resample_s(5 * labels))
        + work.validation * (_resample_s(columns) + 2 * 2 * _resample_s(5 * labels))
        + work.validation * (finalists - 1) * _resample_s((4 * seeds + 1) * labels)
    )
    models = finalists * seeds + _SEARCHED
    decided_s = work.validation * labels * (models * (_DECIDE_S + _CHOOSE_S) + 3 * _DECIDE_S)
    written_s = rows * (labels * _MEASURE_S + _WRITE_S)
    fixed_s = CLOSING_S + drawn_s + decided_s + written_s + work.fitting_s
    return predicted * predict_s + min(slowdown, _MOST_SLOWDOWN) * fixed_s


def _resample_s(columns: int) -> float:
    return SAMPLES * (_DRAW_S + _COLUMN_S * columns)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Return how long jobs take on `slots` workers if the longest start first (Graham 1969)."""
    ends = [0.0] * min(slots, len(seconds))  # a heap
    for job in sorted(seconds, reverse=True):
        heapreplace(ends, ends[0] + job)
    return max(ends, default=0.0)


def finalists_seconds(full_runs: Sequence[float], *, seeds: int, slots: int, done: Sequence[int] = ()) -> float:
    """Return how long it takes to run each configuration with `seeds` seeds.

    `full_runs` has the estimated seconds of one full run of each configuration, and `done` its runs so far, if it has any.
    """
    jobs = [
        SAFETY * seconds + BETWEEN_TRIALS_S
        for seconds, have in zip_longest(full_runs, done[: len(full_runs)], fillvalue=0)
        for _ in range(seeds - have)
    ]
    return makespan(jobs, slots) if jobs else 0.0


def affordable(
    full_runs: Sequence[float], *, seeds: int, slots: int, seconds: float, done: Sequence[int] = ()
) -> tuple[int, int]:
    """Return how many finalists and how many seeds of each fit into `seconds`.

    `full_runs` has the estimated seconds of one full run of each configuration, best first, and `done` its runs so far. Drop
    seeds first, then finalists. Return at least one finalist with as many seeds as run side by side: they take no longer
    than one.
    """
    choices = [(len(full_runs), fewer) for fewer in range(seeds, 0, -1)]
    choices += [(fewer, 1) for fewer in range(len(full_runs) - 1, 1, -1)]
    for finalists, kept_seeds in choices:
        if finalists_seconds(full_runs[:finalists], seeds=kept_seeds, slots=slots, done=done) <= seconds:
            return finalists, kept_seeds
    return 1, min(seeds, slots)
