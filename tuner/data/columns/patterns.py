"""Names of columns with a * in place of a number, such as t* for t1, t2, …, t60."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

_NUMBER = r"\d+(?:\.\d+)?"


def numbered_columns(pattern: str, names: Iterable[str]) -> list[tuple[float, str]]:
    """Return the columns that a pattern stands for, after their numbers, in ascending order.

    A name without a *, with several, or of an existing column is no pattern, and stands for none.
    """
    names = list(names)
    if pattern in names or pattern.count("*") != 1:
        return []
    before, after = map(re.escape, pattern.split("*"))
    matches = [(name, re.fullmatch(f"{before}({_NUMBER}){after}", name)) for name in names]
    return sorted((float(match[1]), name) for name, match in matches if match is not None)


def columns_like(name: str, names: Iterable[str]) -> list[str]:
    """Return the columns that a name or pattern stands for; only the name itself if there are none."""
    return [column for _, column in numbered_columns(name, names)] or [name]


def suggest_patterns(names: Sequence[str], *, fewest: int = 3) -> list[str]:
    """Return the patterns of numbered columns that may be the steps of series: those that stand for the most columns.

    Return none if that is less than `fewest` columns.
    """
    counts: dict[str, int] = defaultdict(int)
    for name in names:
        match = re.fullmatch(rf"(.*?){_NUMBER}(\D*)", name)
        if match is not None and "*" not in name:
            counts[f"{match[1]}*{match[2]}"] += 1
    most = max(counts.values(), default=0)
    return [pattern for pattern, count in counts.items() if count == most >= fewest]
