"""What the user sees of a running search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tuner.show_value import show_duration
from tuner.trial.record import TrialRecord


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
    waiting = [record for record in snapshot.running if record.stretch is not None]
    if not waiting or any(record.last is not None for record in (*snapshot.running, snapshot.best) if record):
        return None
    first = min(waiting, key=_seconds_to_score)
    assert first.stretch is not None
    seen = first.stretch.examples
    epoch, row = seen / snapshot.rows, seen % snapshot.rows
    return (
        f"trial {first.order.index}: epoch {epoch:.1f} of {snapshot.max_epochs:g}, {row:,} of {snapshot.rows:,} rows, "
        f"first score in about {show_duration(_seconds_to_score(first))}"
    )


def _seconds_to_score(record: TrialRecord) -> float:
    stretch = record.stretch
    assert stretch is not None
    return stretch.examples_left * stretch.seconds / max(stretch.examples, 1)


@dataclass(frozen=True)
class Watcher:
    """Shows a search to the user: `say` gets sentences, and `watch` gets a snapshot a few times a second."""

    say: Callable[[str], None]
    watch: Callable[[Snapshot], None]
