"""Which configurations are trained again, and with how many other seeds. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.search.best_trials import rank_trials
from tuner.search.time_budget import TimeBudget
from tuner.search.trial_records import TrialRecords
from tuner.show_value import show_count
from tuner.trial.record import TrialRecord


@dataclass(frozen=True)
class FinalistPlan:
    """The search trials to repeat, best first, the seeds for each, and notes for the user."""

    parents: Sequence[TrialRecord]
    seeds: int
    notes: Sequence[str]


def plan_finalists(
    records: TrialRecords,
    budget: TimeBudget,
    *,
    is_exhausted: bool = False,
    done: Mapping[int, int] | None = None,
) -> FinalistPlan:
    """Choose as many finalists as the remaining time allows, from the best configurations.

    With `is_exhausted`, every configuration of the space has been tried. `done` counts the runs that need not be repeated,
    by their search trial.
    """
    search = budget.space.search
    best = records.ranking.first(search.finalists)
    notes = []
    if not best:
        best = rank_trials(records.by_number.values(), are_unfit_allowed=True)[:1]
        if not best:
            return FinalistPlan([], 0, [])
        notes.append("every trial collapsed: the best of them becomes the only finalist")
    finalists, seeds = budget.affordable_finalists(best, records, done or {})
    if (finalists, seeds) != (search.finalists, search.seeds):
        reasons = ["there is too little time"] if finalists * seeds < len(best) * search.seeds else []
        if len(best) < search.finalists:
            reasons.append(_explain_few(records, is_exhausted=is_exhausted))
        notes.append(
            f"finalists: {finalists} × {show_count(seeds, 'seed')} instead of {search.finalists} × {search.seeds}, "
            f"because {' and '.join(reasons)}"
        )
    return FinalistPlan(best[:finalists], seeds, notes)


def _explain_few(records: TrialRecords, *, is_exhausted: bool) -> str:
    """Say why there are fewer finalists to choose from than the space asks for."""
    healthy = len(records.ranking.first())
    trials = records.by_number.values()
    judged = [record for record in trials if record.is_search_trial and (record.best or not record.is_fit)]
    tried = len({record.configuration_hash for record in judged})
    settings = show_count(tried, "setting")
    if healthy == tried:
        return f"the space has only {settings}" if is_exhausted else f"the search tried only {settings}"
    if is_exhausted:
        few = "none" if not healthy else f"only {healthy}"
        return f"{few} of the space's {settings} {'were' if healthy > 1 else 'was'} healthy"
    return "there are too few healthy trials"


def count_runs(records: Iterable[TrialRecord], *, before: int) -> Counter[int]:
    """Count the finalists' runs with a number below `before` that ran to their end, by the search trial they repeat.

    A run that the budget cut short, or that failed, does not count: it needs another one in its place.
    """
    return Counter(
        record.parent
        for record in records
        if record.parent is not None and record.order.index < before and record.ending and record.ending.is_finished
    )


def finalist_runs(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finalists' runs, including runs of finalists that an earlier process chose."""
    return [record for record in records if not record.is_search_trial]
