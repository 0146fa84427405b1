"""From a data profile and a trial's own measures of its rows to facts about the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.diagnosis.facts.evidence import DataFacts


def data_facts(
    profile: Mapping[str, Any] | None,
    *,
    configuration: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
    baselines: Sequence[Mapping[str, Any]] = (),
) -> DataFacts:
    """Return what `profile` (of `tuner.data.profile`, without co-occurrence will do) and a trial's report say of the rows.

    `measured` may have unknown_share, truncated_share and empty_share, as a report does; `baselines`, rows of baselines.json,
    seen_share. Anything may be missing.
    """
    known = measured or {}
    unknown, truncated = _share(known.get("unknown_share")), _share(known.get("truncated_share"))
    seen = max((row["seen_share"] for row in baselines if row.get("seen_share") is not None), default=None)
    if not profile:
        empty = _share(known.get("empty_share"))
        return DataFacts(unknown_share=unknown, truncated_share=truncated, empty_share=empty, seen_share=seen)
    train = profile["splits"]["train"]
    rows = train["rows"]
    judged = profile["splits"].get("validation", train)
    overlap = profile["overlap"].get("validation")
    return DataFacts(
        train_rows=rows,
        label_rows=train["labels"],
        unknown_share=unknown,
        truncated_share=truncated,
        read_share=_read_share(train["lengths"], configuration),
        # a row without a word is the data's; that a small vocabulary leaves a row nothing is told by unknown_share
        empty_share=train["empty_rows"] / max(rows, 1),
        conflict_share=train["conflicting_duplicates"] / max(rows, 1),
        overlap_share=None if overlap is None else overlap / max(judged["rows"], 1),
        seen_share=seen,
    )


def _share(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _read_share(lengths: Mapping[str, Any], configuration: Mapping[str, Any] | None) -> float | None:
    """The share of a row of median length that is read; None where tokens are not what the profile counts."""
    if configuration is None or configuration.get("tokens", "word") != "word":
        return None
    median = float(lengths["50"])
    return min(1.0, float(configuration["max_length"]) / median) if median else None
