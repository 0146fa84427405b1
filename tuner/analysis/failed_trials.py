"""How many trials of a run failed and why, and on which nodes trials ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tuner.ledger.run_directory import Run
from tuner.show_value import show_count, show_share
from tuner.trial.ending import FEW_TRIALS, WORRYING_SHARE, Ending

_MOST_REASONS = 3
_UNDECIDED = (None, Ending.CUT_SHORT, Ending.INTERRUPTED)


def describe_failures(run: Run) -> str | None:
    """Say how many trials failed and why, if it is more than a tenth; None otherwise."""
    ended = [row for row in run.trials if row["ending"] not in _UNDECIDED]
    failed = [row for row in ended if row["ending"] == Ending.FAILED]
    if len(ended) < FEW_TRIALS or len(failed) <= WORRYING_SHARE * len(ended):
        return None
    reasons = Counter(row["reason"] for row in failed).most_common(_MOST_REASONS)
    why = "; ".join(f"{count} × {reason}" for reason, count in reasons if reason)
    share = show_share(len(failed) / len(ended))
    return f"{len(failed)} of {show_count(len(ended), 'trial')} failed, which is {share}" + (f": {why}" if why else "")


def count_by_node(run: Run) -> dict[str, dict[str, int]]:
    """Count the trials by the node on which they ran last, and by their ending. Older runs do not know the nodes."""
    counts: dict[str, Counter[str]] = {}
    for row in run.trials:
        if row["node"] is not None:
            counts.setdefault(row["node"], Counter())[row["ending"] or "running"] += 1
    return {node: dict(sorted(endings.items())) for node, endings in sorted(counts.items())}


def describe_places(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """Name the nodes on which trials ran, and their GPUs; None if that is not known."""
    known = [(row["node"], row["gpu"]) for row in rows if row["node"] is not None]
    places = dict.fromkeys(node if gpu is None else f"{node} GPU {gpu}" for node, gpu in known)
    return ", ".join(places) or None
