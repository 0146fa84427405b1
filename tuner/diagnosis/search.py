"""A search as a whole: what share of its trials collapsed or diverged, for which causes, and under which settings."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.diagnosis.cause import option
from tuner.diagnosis.evidence import SearchFacts, SettingShare

FAULTY = ("collapsed", "diverged")
_FEWEST = 4  # trials with a value: of fewer the interval says nothing
_DEVIATIONS = 1.959964  # 95 %
_PARTS = 3  # of a range of numbers, each with as many trials


def search_facts(trials: Sequence[Mapping[str, Any]], causes: Mapping[int, str]) -> SearchFacts:
    """Sum up a search's trials, rows of the ledger, with the likeliest cause of each faulty one by its number."""
    ended = [row for row in trials if row["phase"] == "search" and row["ending"] is not None]
    judged = [row for row in ended if row["ending"] not in ("failed", "interrupted")]
    return SearchFacts(
        trials=len(ended),
        endings=dict(Counter(str(row["ending"]) for row in ended).most_common()),
        causes=dict(Counter(causes[row["trial"]] for row in ended if row["trial"] in causes).most_common()),
        settings=tuple(_shares(judged)),
    )


def wilson(faulty: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share: within 0 and 1 for any counts, and both ends where there are no trials.

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if not trials:
        return 0.0, 1.0
    share, squared = faulty / trials, _DEVIATIONS**2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    half = _DEVIATIONS / (1 + squared / trials) * math.sqrt(share * (1 - share) / trials + squared / (4 * trials**2))
    low = 0.0 if faulty == 0 else max(0.0, middle - half)
    return low, 1.0 if faulty == trials else min(1.0, middle + half)


def _shares(trials: Sequence[Mapping[str, Any]]) -> list[SettingShare]:
    """The values of settings under which clearly more trials were faulty than under all others, worst first."""
    configurations = [json.loads(row["configuration"]) for row in trials]
    is_faulty = np.array([row["ending"] in FAULTY for row in trials], dtype=bool)
    found = []
    for name in sorted({name for configuration in configurations for name in configuration}):
        values = [configuration.get(name) for configuration in configurations]
        for told, where, setting in _groups(name, values):
            n, faulty = int(where.sum()), int((where & is_faulty).sum())
            others, rest = int((~where).sum()), int((~where & is_faulty).sum())
            if min(n, others) < _FEWEST:
                continue
            low, high = wilson(faulty, n)
            if low > wilson(rest, others)[1]:
                share = rest / others
                found.append(SettingShare(
                    parameter=name, value=told, trials=n, faulty=faulty, low=low, high=high, rest=share, setting=setting,
                ))  # fmt: skip
    return sorted(found, key=lambda each: each.rest - each.faulty / each.trials)


def _groups(name: str, values: Sequence[Any]) -> list[tuple[str, Any, str]]:
    """Each value in words, which trials have it (trials,), and the setting that keeps out of it."""
    known = [value for value in values if value is not None]
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    distinct = list(dict.fromkeys(known))
    if is_number and len(distinct) > _PARTS * 2:
        return _ranges(name, values)
    groups = []
    for value in distinct:
        where = np.array([each == value for each in values], dtype=bool)
        others = [each for each in distinct if each != value]
        groups.append(
            (f"{value}", where, option(f"space.{name}={_yaml(others)}") if _is_plain(name) and others else "")
        )
    return groups


def _ranges(name: str, values: Sequence[Any]) -> list[tuple[str, Any, str]]:
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    known = numbers[~np.isnan(numbers)]
    cuts = np.quantile(known, np.linspace(0, 1, _PARTS + 1))
    is_whole = bool((known == np.round(known)).all())
    scale = ", scale: log" if cuts[0] > 0 and cuts[-1] / cuts[0] > 20 else ""

    def said(value: float) -> str:
        return f"{round(value)}" if is_whole else f"{value:.2g}"

    groups = []
    for part in range(_PARTS):
        low, high = float(cuts[part]), float(cuts[part + 1])
        where = (numbers >= low) & ((numbers <= high) if part == _PARTS - 1 else (numbers < high))
        kept = (cuts[0], low) if part == _PARTS - 1 else (high, cuts[-1]) if part == 0 else None
        setting = ""
        if kept is not None and _is_plain(name) and said(kept[0]) != said(kept[1]):
            setting = option(f"space.{name}={{low: {said(kept[0])}, high: {said(kept[1])}{scale}}}")
        groups.append((f"{said(low)} to {said(high)}", where, setting))
    return groups


def _is_plain(name: str) -> bool:
    """Whether a space can set it on its own: an option's own parameter stands inside the option."""
    return "." not in name


def _yaml(values: Sequence[Any]) -> str:
    return "[" + ", ".join(json.dumps(value) if isinstance(value, bool) else str(value) for value in values) + "]"
