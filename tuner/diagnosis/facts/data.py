"""Facts about the data, from its profile and from a trial's measurement of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.diagnosis.facts.evidence import DataFacts
from tuner.scoring.signal import counted_unit


def data_facts(
    profile: Mapping[str, Any] | None,
    *,
    configuration: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
    baselines: Sequence[Mapping[str, Any]] = (),
) -> DataFacts:
    """Return facts about the rows. Any argument may be missing or incomplete.

    `profile` comes from `tuner.data.profile`; co-occurrence is not needed. `measured` is a row of trials or a measurement,
    with unknown_share, truncated_share and empty_share. `baselines` are rows of baselines.json, with seen_share.
    """
    shares = measured or {}
    unknown, truncated = _share(shares.get("unknown_share")), _share(shares.get("truncated_share"))
    seen = max((row["seen_share"] for row in baselines if row.get("seen_share") is not None), default=None)
    if not profile:
        empty = _share(shares.get("empty_share"))
        return DataFacts(unknown_share=unknown, truncated_share=truncated, empty_share=empty, seen_share=seen)
    train = profile["splits"]["train"]
    rows, unit = train["rows"], counted_unit(profile)
    evaluated = profile["splits"].get("validation", train)
    overlap = profile["overlap"].get("validation")
    return DataFacts(
        train_rows=rows,
        label_rows=train["labels"],
        unknown_share=unknown,
        truncated_share=truncated,
        read_share=_read_share(train["lengths"], configuration),
        # only rows without any word; rows emptied by a small vocabulary count in unknown_share
        empty_share=train["empty_rows"] / max(rows, 1),
        conflict_share=train["conflicting_duplicates"] / max(rows, 1),
        overlap_share=None if overlap is None else overlap / max(evaluated["rows"], 1),
        seen_share=seen,
        unit=unit,
        unspaced_share=profile["scripts"]["rows"] if unit == "characters" else None,
        characters=train["lengths"]["95"] if unit == "characters" else None,
    )


def _share(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _read_share(lengths: Mapping[str, Any], configuration: Mapping[str, Any] | None) -> float | None:
    """Return the share of a median-length row that is read; None if the profile counts other tokens than the model reads."""
    if configuration is None:
        return None
    counted = "character" if lengths["unit"] == "characters" else "word"
    if configuration.get("tokens", "word") != counted:
        return None
    median = float(lengths["50"])
    return min(1.0, float(configuration["max_length"]) / median) if median else None
