"""The distilled model beside the champion and the best single model: macro-F1, seconds, size, and what is kept of the gain."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.bundle.bundle_json import ROWS
from tuner.bundle.model_bundle import Bundle
from tuner.data.dataset import RowInputs, take_inputs
from tuner.storage import Folder

_TIMED_ROWS = 1000
_TIMINGS = 3  # of which the fastest counts: others share the machine


def seconds_per_1000_rows(bundle: Bundle, inputs: RowInputs) -> float:
    """Return how long a bundle takes to predict a thousand rows like the first of `inputs`, on this machine."""
    rows = take_inputs(inputs, np.arange(min(len(inputs), _TIMED_ROWS)))
    seconds = []
    for _ in range(_TIMINGS):
        start = time.perf_counter()
        bundle.predict_proba(rows)
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / len(rows)


def size_in_bytes(folder: Folder) -> int:
    """Return the size of a bundle, without the fingerprints of its rows, which no prediction reads."""
    return sum(folder.size(name) or 0 for name in folder.all_files() if name != ROWS)


def model_row(name: str, measures: Mapping[str, Any], *, seconds: float | None, size: int | None) -> dict[str, Any]:
    """Return a row of the comparison. `measures` has macro-F1, maybe with an interval, on "validation" and "test"."""
    row: dict[str, Any] = {"model": name}
    for split in ("validation", "test"):
        row[split] = measures[split]["macro_f1"]
        row[f"{split}_ci"] = measures[split].get("macro_f1_ci")
    return {**row, "seconds_per_1000_rows": seconds, "bytes": size}


def find_single(champion: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the best single model beside a committee, as champion.json describes it; None if the champion is a single model."""
    committee = champion.get("committee") or {}
    if committee.get("kind", "single") == "single":
        return None
    alternatives: dict[str, Mapping[str, Any]] = {each["kind"]: each for each in committee["alternatives"]}
    return alternatives["single"]


def describe_kept(*, distilled: float, champion: float, single: float | None) -> tuple[float | None, str]:
    """Return the share of the champion's gain over the best single model that is kept, and a sentence about it.

    All are macro-F1 on the test split; `single` is None if the champion is a single model. Without a gain the share is None.
    """
    if single is None:
        return (
            None,
            f"the champion is a single model, with {champion:.3f} on test; the distilled model has {distilled:.3f}",
        )
    gain = champion - single
    figures = f"{distilled:.3f} on test; the best single model has {single:.3f}, the committee {champion:.3f}"
    if gain <= 0:
        return None, f"the committee gains nothing over the best single model, so there is nothing to keep: {figures}"
    share = (distilled - single) / gain
    kept = "nothing" if share <= 0 else "all" if share >= 1 else f"{100 * share:.0f} %"
    return share, f"the distilled model keeps {kept} of the committee's gain of {gain:.3f}: {figures}"
