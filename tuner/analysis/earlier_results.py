"""What a run that was given more had reached before, and how fresh the rows of its results are. Sentences for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.ledger.run_directory import Run
from tuner.show_value import show_count, show_duration

_MOST_LISTED = 3  # in a line


def describe_earlier(result: Mapping[str, Any]) -> str:
    """Return one earlier result in a sentence: "beats_baselines with trial 3, macro-F1 0.712 on test (0.650 to 0.770), …"."""
    test, judge = result.get("test"), result.get("judge")
    after = f"after {show_count(result['trials'], 'trial')}" + (
        f" in {show_duration(result['seconds'])}" if result.get("seconds") is not None else ""
    )
    measured = [
        f"macro-F1 {describe_measured(rows)} on {name}" for name, rows in (("test", test), ("judge", judge)) if rows
    ]
    return ", ".join([f"{result.get('verdict')} with trial {result.get('parent')}", *measured, after])


def list_earlier(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the latest earlier results in a line: "beats baselines, 0.712 after 12 trials; …"."""
    lines = []
    for result in results[-_MOST_LISTED:]:
        measured = f", {result['test']['macro_f1']:.3f}" if result.get("test") else ""
        lines.append(
            f"{str(result.get('verdict')).replace('_', ' ')}{measured} after {show_count(result['trials'], 'trial')}"
        )
    more = len(results) - len(lines)
    return "; ".join(([f"{more} more"] if more else []) + lines)


def describe_measured(rows: Mapping[str, Any]) -> str:
    """Return a macro-F1 with its interval: "0.712 (0.650 to 0.770)"."""
    low, high = rows["macro_f1_ci"]
    return f"{rows['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def describe_freshness(run: Run) -> str | None:
    """Say that the test split was seen before the champion was chosen, and the remedy; None if it was sealed until then."""
    champion = run.champion
    if not champion.get("earlier"):
        return None
    if champion.get("is_as_before"):
        return "the champion is as before the search went on, and so are its results on test"
    seen = "the test split had been seen when the search went on, so results on test may be too good"
    judge = champion.get("judge")
    if judge and not any(
        (result.get("judge") or {}).get("sha256") == judge["sha256"] for result in champion["earlier"]
    ):
        return f"{seen}; those on the judge rows are not"
    run_name = shlex.quote(run.location)
    return (
        f"{seen}; judge it on fresh rows, with `tuner evaluate {run_name} NEW_ROWS` or "
        f"`tuner resume {run_name} --set data.judge=NEW_ROWS`"
    )
