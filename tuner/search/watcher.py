"""What the user sees of a running search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
    best: TrialRecord | None


@dataclass(frozen=True)
class Watcher:
    """Shows a search to the user: `say` gets sentences, and `watch` gets a snapshot a few times a second."""

    say: Callable[[str], None]
    watch: Callable[[Snapshot], None]
