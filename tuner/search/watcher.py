"""What the user sees of a running search."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tuner.show_value import show_duration
from tuner.space.assignment import as_words
from tuner.space.larger_budget import larger_budget
from tuner.space.search_settings import SearchSettings
from tuner.trial.record import TrialRecord

_TELLING_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a search at one moment. `left_s` is None for a search without a time limit."""

    phase: Literal["search", "finalists"]
    elapsed_s: float
    left_s: float | None
    running: tuple[TrialRecord, ...]
    endings: Counter[str]
    asked: int
    limit: int | None
    max_epochs: float
    rows: int
    best: TrialRecord | None


def describe_wait(snapshot: Snapshot) -> str | None:
    """Say how far the first trial is that will have a score; None if a trial has one, or none trains yet."""
    first = _next_to_score(snapshot)
    if first is None or first.stretch is None:
        return None
    epoch, row = divmod(first.stretch.examples, snapshot.rows)
    return (
        f"trial {first.order.index}: epoch {epoch + row / snapshot.rows:.1f} of {snapshot.max_epochs:g}, {row:,} of "
        f"{snapshot.rows:,} rows, first score in about {show_duration(_seconds_to_score(first))}"
    )


def note_late_score(snapshot: Snapshot, search: SearchSettings) -> str | None:
    """Say if the time of the search will be over before the first score, and what would be enough; None if it will not.

    Without a score, half of the time is kept for finalists and closing. The first moments of a trial are slower than others,
    and tell nothing yet.
    """
    first = _next_to_score(snapshot)
    if snapshot.left_s is None or first is None or first.stretch is None or first.stretch.seconds < _TELLING_S:
        return None
    wait_s = _seconds_to_score(first)
    if wait_s <= snapshot.left_s / 2:
        return None
    score_s = snapshot.elapsed_s + wait_s
    more = larger_budget(search, ended_by=search.tightest, spent_s=score_s)
    return (
        f"the first score would come after {show_duration(score_s)}, too late for search.{search.tightest}; a trial is "
        f"measured earlier, before it has trained that far; for more, {shlex.join(as_words(more))}"
    )


def _next_to_score(snapshot: Snapshot) -> TrialRecord | None:
    """Return the trial that will have a score first; None if one has a score already, or none trains yet."""
    if snapshot.best is not None or any(record.last is not None for record in snapshot.running):
        return None
    return min((record for record in snapshot.running if record.stretch), key=_seconds_to_score, default=None)


def _seconds_to_score(record: TrialRecord) -> float:
    return record.stretch.seconds_left if record.stretch else math.inf


@dataclass(frozen=True)
class Watcher:
    """Shows a search to the user: `say` gets sentences, and `watch` gets a snapshot a few times a second."""

    say: Callable[[str], None]
    watch: Callable[[Snapshot], None]
