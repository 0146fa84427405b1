"""Trials that hang or fail, and searches that end without a champion. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from tuner.errors import SearchFailed
from tuner.show_value import show_count, show_share
from tuner.space.assignment import set_option
from tuner.space.larger_budget import larger_budget
from tuner.space.load import Space
from tuner.trial.ending import FEW_TRIALS, WORRYING_SHARE, Ending
from tuner.trial.record import TrialRecord

_ENOUGH_FOR_SHARE = 20  # a larger share of fewer trials may be bad luck
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


class FailureWatch:
    """Counts trials as they end, says when many of them fail, and ends the search when too many do.

    A node where all trials fail is to blame itself, as long as others succeed elsewhere. So its trials do not count.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._ended = 0
        self._failed: list[TrialRecord] = []
        self._ended_well: Counter[str] = Counter()  # by node
        self._bad_nodes: set[str] = set()
        self._lost_nodes: set[str] = set()
        self._hopeless: str | None = None
        self._has_news = self._has_warned = False

    def add(self, record: TrialRecord) -> None:
        """Count a trial that has ended."""
        self._ended += 1
        self._has_news = True
        if record.ending is Ending.FAILED:
            self._failed.append(record)
        else:
            self._ended_well[record.node] += 1

    def leave_out(self, place: str, why: str) -> None:
        """Say that trials go to a place no more, such as "node a" or "GPU 3 of node a"."""
        self._bad_nodes.add(place.removeprefix("node "))
        self._say(
            f"warning: {place} is left out, because trials fail there and not elsewhere, the last with: {why}; they are tried "
            "again elsewhere; once it is repaired, start Ray there again, and it counts as a new node"
        )

    def lose(self, node: str) -> None:
        """Say once that a node is lost."""
        if node not in self._lost_nodes:
            self._lost_nodes.add(node)
            self._say(f"note: node {node} is lost; its trials go on elsewhere, from their last checkpoints")

    def give_up(self, why: str) -> None:
        """Remember why no trial can succeed any more."""
        self._hopeless = why

    def judge(self, running: Iterable[TrialRecord], max_failed: float | None) -> None:
        """Say when many trials fail. Raise SearchFailed if all do, or more than `max_failed`, or none can succeed any more."""
        if self._hopeless is not None:
            raise SearchFailed(self._hopeless)
        if not self._has_news or self._ended < FEW_TRIALS:
            return
        self._has_news = False
        if not self._ended_well:
            self._raise_if_all_fail(running)
            return
        failed = [each for each in self._failed if each.node in self._ended_well and each.node not in self._bad_nodes]
        ended = len(failed) + self._ended_well.total()
        if max_failed is not None and len(failed) > _most_failed(max_failed, ended):
            raise SearchFailed(
                f"{describe_failures(failed, ended)}; this is more than search.max_failed allows, which is {max_failed:g}; "
                f"{set_option('search.max_failed', None)} allows any number, also in a run that is resumed"
            )
        if len(failed) > WORRYING_SHARE * ended and not self._has_warned:
            self._has_warned = True
            self._say(f"warning: {describe_failures(failed, ended)}")

    def _raise_if_all_fail(self, running: Iterable[TrialRecord]) -> None:
        nodes = {record.node for record in self._failed}
        for record in running:
            if record.last is not None or (record.stretch is not None and record.node not in nodes):
                self._has_news = True  # it may still show that trials succeed elsewhere
                return
        raise SearchFailed(f"every trial fails, so the search has stopped: {describe_endings(self._failed)}")


def _most_failed(max_failed: float, ended: int) -> float:
    return max_failed * max(ended, _ENOUGH_FOR_SHARE) if max_failed < 1 else max_failed


def describe_failures(failed: Collection[TrialRecord], ended: int) -> str:
    """Return how many of the ended trials failed, and why."""
    share = show_share(len(failed) / ended)
    return f"{len(failed)} of {show_count(ended, 'trial')} failed, which is {share}: {describe_endings(failed)}"


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
