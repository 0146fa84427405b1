"""Lists of names and row numbers in messages."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

from tuner.errors import did_you_mean
from tuner.show_value import show_count

MOST_NAMES = 20
"""The most column names, file names or labels that one message lists."""


def near_name(word: str, known: Sequence[str]) -> str | None:
    """Return the known name that is most similar, or None. Case, outer spaces and invisible characters count for nothing."""
    by_letters = {_letters_of(name): name for name in reversed(known)}
    near = difflib.get_close_matches(_letters_of(word), by_letters, n=1)
    return by_letters[near[0]] if near else None


def _letters_of(name: str) -> str:
    return "".join(filter(str.isprintable, unicodedata.normalize("NFKC", name))).strip().casefold()


def suggest_name(word: str, known: Iterable[str]) -> str:
    """Return the remedy of `did_you_mean`. The list is cut if no name is close and there are many names."""
    names = sorted(known)
    if len(names) > MOST_NAMES and not difflib.get_close_matches(word, names):
        return f"known: {list_names(names, most=MOST_NAMES)}"
    return did_you_mean(word, names)


def name_rows(rows: Sequence[int]) -> str:
    """Name up to five row numbers: "row 3", "rows 3 and 9", "rows 3, 9, 12, 15 and 20 (17 in all)"."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = [str(row) for row in rows[:5]]
    text = f"rows {', '.join(shown[:-1])} and {shown[-1]}"
    return text if len(rows) == len(shown) else f"{text} ({len(rows):,} in all)"


def list_names(names: Sequence[str], *, most: int = 8) -> str:
    """List the first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def number_of_rows(n: int) -> str:
    """Return "1 row", or "1,234 rows"."""
    return show_count(int(n), "row")
