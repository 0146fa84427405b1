"""Find out what separates the values of a CSV, if the header shows that it is not the usual character."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress

from tuner.data.formats.content import Reading
from tuner.errors import data_error
from tuner.space.text_format import COMMON_SEPARATORS, separator_fault, show_separator

_SAMPLE_CHARACTERS = 1 << 18
_MOST_ROWS = 200
_NAMING_LINE = re.compile(rb'("?)sep=(.)\1(?=\r?\n|\r)', re.IGNORECASE | re.ASCII)


def find_separator(uri: str, content: bytes, usual: str, reading: Reading) -> tuple[str, bytes]:
    """Return the separator, and the content with a blank line in place of a first line such as `sep=;`, which names it for Excel.

    It is the one that is set, else the one that the line names, else the one that fits the rows. Notes say what the file decides.
    """
    given, named = reading.text_format.separator, _NAMING_LINE.match(content)
    if named is None or separator_fault(named[2].decode(errors="replace")) is not None:
        return given or _fitting_separator(uri, content, usual, reading), content
    found, content = named[2].decode(), content[named.end() :]
    if content.isspace():
        raise data_error(uri, "the file has no rows", "give a file with rows")
    what = f"the first line, {named[0].decode()!r}, names what separates the values, and is no row"
    if given not in (None, found):
        what += f"; they are separated by {_named(str(given))}, as set"
    reading.note(f"{uri}: {what}")
    return given or found, content


def _fitting_separator(uri: str, content: bytes, usual: str, reading: Reading) -> str:
    """Return the separator: the usual one, unless another fits the header and the first rows, or most of them, and it does not.

    A note says that it is another, and how to set the usual one.
    """
    sample = content[:_SAMPLE_CHARACTERS].decode(errors="replace")
    is_whole = len(content) <= _SAMPLE_CHARACTERS
    usual_counts = _count_values(sample, usual, is_whole=is_whole)
    has_one_column = usual_counts[:1] == [1]
    if not has_one_column and len(set(usual_counts)) == 1:
        return usual
    others = [mark for mark in COMMON_SEPARATORS if mark != usual and mark in sample]
    counts = {mark: _count_values(sample, mark, is_whole=is_whole) for mark in others}
    several = {mark: found for mark, found in counts.items() if found[:1] > [1]}
    fitting = [mark for mark, found in several.items() if len(set(found)) == 1]
    if not fitting and has_one_column:  # the reader names the rows that are wrong
        is_wrong = set(usual_counts) != {1}
        fitting = [
            mark for mark, found in several.items() if is_wrong or found.count(found[0]) > 1 + (len(found) - 1) / 2
        ]
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
    """Return the number of values in the header and in each of the first rows, up to one that cannot be read."""
    counts = list[int]()
    with suppress(csv.Error):  # such as a value of more than 131,072 characters
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator):
            counts += [len(row)] if row else []
            if len(counts) > _MOST_ROWS:
                return counts
        return counts if is_whole else counts[:-1]
    return counts
