"""Settings that a space may leave to the search as `auto`. `tuner.search.sizing` settles them once the rows are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.space.document import Document

AUTO = "auto"
OF_SEARCH = ("max_epochs", "grace_epochs", "reports_per_epoch", "finalists", "seeds")
OF_SPACE = ("batch_size",)
GPUS = "gpus"  # of the section resources; also auto if it is absent

_MOST_REPORTS = 1000


def left_to_search(document: Document) -> frozenset[str]:
    """Return the dotted names of the settings that a space leaves to the search, such as "search.max_epochs"."""
    names = [("search", name) for name in OF_SEARCH] + [("space", name) for name in OF_SPACE]
    sections = {section: document.tree.get(section) or {} for section in ("search", "space")}
    return frozenset(f"{section}.{name}" for section, name in names if sections[section].get(name) == AUTO)


def are_gpus_left_to_search(document: Document) -> bool:
    """Return whether a space leaves it to the search which share of a GPU a trial has, if there is one."""
    return bool((document.tree.get("resources") or {}).get(GPUS, AUTO) == AUTO)


def stand_ins(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a number for each setting of the section search that is `auto`, until the search settles it.

    They keep the rules of the section beside the settings that a person wrote, which `values` holds.
    """
    is_auto = {name for name in OF_SEARCH if values.get(name) == AUTO}
    known = {name: defaults[name] for name in OF_SEARCH}
    known |= {name: values[name] for name in OF_SEARCH if _is_positive(values.get(name))}
    if "max_epochs" in is_auto:
        known["max_epochs"] = max(known["max_epochs"], known["grace_epochs"])
    most = min(known["max_epochs"], known["grace_epochs"])
    if "reports_per_epoch" in is_auto:
        is_free = "grace_epochs" in is_auto
        known["reports_per_epoch"] = max(2, math.ceil(1 / most)) if is_free else least_reports(most)
    if "grace_epochs" in is_auto:
        known["grace_epochs"] = report_before(most, reports_per_epoch=known["reports_per_epoch"])
    return {name: known[name] for name in is_auto}


def report_before(epochs: float, *, reports_per_epoch: int) -> float:
    """Return the last report at or before `epochs`, but at least the first one."""
    return max(1, math.floor(epochs * reports_per_epoch * (1 + 1e-9))) / reports_per_epoch


def least_reports(epochs: float, *, at_least: int = 2) -> int:
    """Return the fewest reports per epoch of which one falls on `epochs`, and `at_least` if that never happens."""
    counts = range(at_least, _MOST_REPORTS + 1)
    return next((n for n in counts if math.isclose(epochs * n, max(1, round(epochs * n)), rel_tol=1e-9)), at_least)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
