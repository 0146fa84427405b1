"""Trials that hang or fail, and searches that end without a champion. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tuner.errors import SearchFailed
from tuner.space.larger_budget import larger_budget
from tuner.space.load import Space
from tuner.trial.ending import Ending
from tuner.trial.record import TrialRecord

_ENOUGH_FAILURES = 10  # if the first ten trials all fail, the others will too
_MOST_REASONS = 3  # of endings, in a message


class NoChampion(SearchFailed):
    """There is no champion, but a larger budget may help. `settings` are the overrides to resume the run with."""

    def __init__(self, message: str, settings: Sequence[str]) -> None:
        super().__init__(message)
        self.settings = settings


def find_hung(records: Collection[TrialRecord], timeout_s: float | None, *, now: float) -> list[TrialRecord]:
    """Return the running trials whose workers have sent nothing for more than `timeout_s`; None means no limit."""
    if timeout_s is None:
        return []
    return [
        record
        for record in records
        if record.ending is None and record.heard_s is not None and now - record.heard_s > timeout_s
    ]


def raise_if_all_fail(records: Collection[TrialRecord]) -> None:
    """Raise SearchFailed if ten or more trials have ended and all of them failed."""
    # The first trials show it, whatever the total number.
    if any(record.ending not in (None, Ending.FAILED) for record in records):
        return
    if sum(record.ending is Ending.FAILED for record in records) >= _ENOUGH_FAILURES:
        raise SearchFailed(f"every trial fails, so the search has stopped: {describe_endings(records)}")


def describe_endings(records: Collection[TrialRecord]) -> str:
    """Return how trials ended and why, in a few words: failures first, then the most frequent endings."""
    reasons = Counter((record.ending, record.reason) for record in records if record.ending)
    shown = sorted(reasons.most_common(), key=lambda item: item[0][0] is not Ending.FAILED)[:_MOST_REASONS]
    return "; ".join(
        f"{count} {ending} ({reason})" if reason else f"{count} {ending}" for (ending, reason), count in shown
    )


def explain_no_measurement(
    records: Collection[TrialRecord], space: Space, *, ended_by: str, spent_s: float
) -> SearchFailed:
    """Return the error for a search in which no trial was measured."""
    search = space.search
    # A larger budget helps only if the budget has ended all trials. A trial that fails or diverges does so at any budget.
    if ended_by in ("time", "cost") and all(record.ending is Ending.CUT_SHORT for record in records):
        why = "which was too short to measure any trial"
        if records and not any(record.starts for record in records):
            why = "in which no worker started (on a cluster, other jobs may hold the CPUs: see `ray status`)"
        return NoChampion(
            f"search.{search.tightest} allows {search.seconds:g} s, {why}, so there is no champion",
            larger_budget(search, ended_by=ended_by, spent_s=spent_s),
        )
    return SearchFailed(f"no trial was measured, so there is no champion: {describe_endings(records)}")


def explain_no_model(
    records: Collection[TrialRecord], space: Space, *, collapsed: int, ended_by: str, spent_s: float
) -> SearchFailed:
    """Return the error for a search without a usable model. It kept `collapsed` models, which have all collapsed.

    The test split stays unseen. Testing a collapsed model would show nothing new.
    """
    begin = "there is no champion, and the test split is unseen"
    runs = [record for record in records if not record.is_search_trial]
    if collapsed:
        message = (
            f"{begin}: every model that the search kept ({collapsed}) has collapsed: it gives nearly the same answer for "
            "every row; `tuner diagnose` looks for the causes"
        )
        if ended_by == "settings":  # a larger budget has nothing else to try
            message += ". All settings of the space have been tried, so begin a run with a wider space"
            return SearchFailed(message)
    else:
        folds = ", and with data.folds search trials keep no model" if space.data.folds else ""
        message = f"{begin}: no finalist was measured{folds}: {describe_endings(records)}"
        # A resumed run tries failed finalists again, without a larger budget.
        has_failed = any(record.ending is Ending.FAILED for record in runs)
        was_cut = any(record.ending is Ending.CUT_SHORT for record in runs)
        if has_failed or (ended_by == "settings" and not was_cut):
            return SearchFailed(message)
    tried = sum(record.is_search_trial and record.is_tried for record in records)
    return NoChampion(message, larger_budget(space.search, ended_by=ended_by, spent_s=spent_s, tried=tried))
