"""Find out what separates the values of a CSV, if the header shows that it is not the usual character."""

from __future__ import annotations

import csv
import io
from itertools import islice

from tuner.data.formats.content import Reading
from tuner.space.text_format import COMMON_SEPARATORS, show_separator

_SAMPLE_CHARACTERS = 1 << 18
_MOST_ROWS = 200


def find_separator(uri: str, content: bytes, usual: str, reading: Reading) -> str:
    """Return the separator: the usual one, unless it gives one column and another fits the header and the first rows.

    A note says that it is another, and how to set the usual one.
    """
    sample = content[:_SAMPLE_CHARACTERS].decode(errors="replace")
    is_whole = len(content) <= _SAMPLE_CHARACTERS
    usual_counts = _count_values(sample, usual, is_whole=is_whole)
    if usual_counts[:1] != [1] or all(mark not in sample for mark in COMMON_SEPARATORS if mark != usual):
        return usual
    counts = {mark: _count_values(sample, mark, is_whole=is_whole) for mark in COMMON_SEPARATORS if mark != usual}
    several = {mark: found for mark, found in counts.items() if found[:1] > [1]}
    fitting = [mark for mark, found in several.items() if len(set(found)) == 1]
    if not fitting and set(usual_counts) != {1}:  # no reading fits: the reader names the rows that are wrong
        fitting = list(several)
    if not fitting:
        return usual
    found = max(fitting, key=lambda mark: several[mark][0])
    change = (
        f"; if it is {_named(usual)}, {asked}" if (asked := reading.set("separator", show_separator(usual))) else ""
    )
    what = f"its values are separated by {_named(found)}, not by {_named(usual)}, and are read so{change}"
    reading.note(f"{uri}: {what}")
    return found


def _named(separator: str) -> str:
    return {",": "commas", "\t": "tabs"}.get(separator, repr(separator))


def _count_values(sample: str, separator: str, *, is_whole: bool) -> list[int]:
    """Return the number of values in the header and in each of the first rows; none if they cannot be read."""
    rows = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    try:
        counts = [len(row) for row in islice(rows, _MOST_ROWS + 1) if row]
    except csv.Error:
        return []
    return counts if is_whole or len(counts) > _MOST_ROWS else counts[:-1]
