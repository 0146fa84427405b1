"""Why a search has no model to hand over, and with which budget it may go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.errors import SearchFailed
from tuner.space.load import Space
from tuner.space.search_settings import SearchSettings
from tuner.trial.record import TrialState

_FEWEST_MINUTES = 5  # what a search is told to go on with whose budget was too small for one report


class NoChampion(SearchFailed):
    """There is no model to hand over, and a larger budget may help: `setting` is what to go on with, if the run is resumed."""

    def __init__(self, told: str, setting: str) -> None:
        super().__init__(told)
        self.setting = setting


def larger_budget(search: SearchSettings, *, ended_by: str, spent_s: float) -> str:
    """Return the setting that gives a search twice the budget that ended it."""
    if ended_by == "trials" and search.trials is not None:
        return f"search.trials={2 * search.trials}"
    assert search.seconds is not None
    minutes = max(_FEWEST_MINUTES, math.ceil(2 * max(search.seconds, spent_s) / 60))
    if search.tightest == "time":
        return f"search.time={minutes}m"
    assert search.cost_per_hour is not None
    return f"search.cost={search.cost_per_hour * minutes / 60:.3g}"


def without_measurement(
    trials: Sequence[TrialState], space: Space, *, failures: str, ended_by: str, spent_s: float
) -> SearchFailed:
    """Return what to tell where no trial came to a report, for want of budget or for other reasons, told by `failures`."""
    search = space.search
    # Nothing but the end of the budget has ended trials: what fails or diverges does so in any time.
    if ended_by in ("time", "cost") and all(trial.ending == "interrupted" for trial in trials):
        told = (
            f"search.{search.tightest} allows {search.seconds:g} s, which were over before any trial came to a report"
        )
        setting = larger_budget(search, ended_by=ended_by, spent_s=spent_s)
        return NoChampion(f"{told}, so there is no champion", setting)
    return SearchFailed(f"no trial came to a report, so there is no champion: {failures}")


def without_model(
    finalists: Sequence[TrialState], space: Space, *, collapsed: int, failures: str, ended_by: str, spent_s: float
) -> SearchFailed:
    """Return what to tell where every model that was kept has collapsed, so many, or there is none.

    The test split is left unseen: of a collapsed model it would only tell what is known.
    """
    told = "there is no champion, and the test split is unseen: "
    setting = larger_budget(space.search, ended_by=ended_by, spent_s=spent_s)
    if collapsed:
        told += (
            f"every model that the search kept ({collapsed}) has collapsed: it answers nearly the same for every row"
        )
        return NoChampion(f"{told}; `tuner diagnose` looks for the causes", setting)
    told += "no finalist's run came to a report"
    told += ", and with data.folds search trials keep no model" if space.data.folds else ""
    told += f": {failures}"
    # What has failed is tried again when the run is resumed, without a larger budget.
    has_failed = any(run.ending == "failed" for run in finalists)
    return SearchFailed(told) if has_failed else NoChampion(told, setting)
