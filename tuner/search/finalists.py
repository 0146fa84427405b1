"""Which configurations are trained again, and with how many other seeds. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tuner.search.best_trials import rank_trials
from tuner.search.time_budget import TimeBudget
from tuner.trial.record import TrialRecord


@dataclass(frozen=True)
class FinalistPlan:
    """The search trials to repeat, best first, the seeds for each, and notes for the user."""

    parents: Sequence[TrialRecord]
    seeds: int
    notes: Sequence[str]


def plan_finalists(records: Collection[TrialRecord], budget: TimeBudget) -> FinalistPlan:
    """Choose as many finalists as the remaining time allows, from the best configurations."""
    search = budget.space.search
    best = rank_trials(records)[: search.finalists]
    notes = []
    if not best:
        best = rank_trials(records, are_unfit_allowed=True)[:1]
        if not best:
            return FinalistPlan([], 0, [])
        notes.append("every trial collapsed: the best of them becomes the only finalist")
    finalists, seeds = budget.affordable_finalists(best, records)
    if (finalists, seeds) != (search.finalists, search.seeds):
        is_short_of_time = finalists * seeds < len(best) * search.seeds
        reason = "there is too little time" if is_short_of_time else "there are too few healthy trials"
        notes.append(
            f"finalists: {finalists} × {seeds} seeds instead of {search.finalists} × {search.seeds}, because {reason}"
        )
    return FinalistPlan(best[:finalists], seeds, notes)


def finalist_runs(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finalists' runs, including runs of finalists that an earlier process chose."""
    return [record for record in records if not record.is_search_trial]
