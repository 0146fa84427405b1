"""Check the quotation marks of a CSV against RFC 4180. pyarrow reads by looser rules, and may take many rows for one value."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

_QUOTE, _LF, _CR, _BACKSLASH = b'"\n\r\\'


@dataclass(frozen=True)
class QuoteFault:
    """A quoted value that breaks the rules: where it opens, and where it closes, or None if it never does."""

    opens: int
    closes: int | None
    is_escaped: bool = False  # a backslash comes before the mark that closes it


@dataclass(frozen=True, eq=False)
class QuotedValues:
    """Where quoted values open and close, (values,) each, up to the first fault."""

    opens: Places
    closes: Places
    fault: QuoteFault | None


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a file: `ends` (lines,) are the places of their line breaks, or of the end of the file."""

    starts: Places
    ends: Places
    separators: Places

    @classmethod
    def of(cls, content: bytes, separator: str) -> Lines:
        """Find every line and count its separators, whether or not they stand inside quotation marks."""
        data = np.frombuffer(content, np.uint8)
        is_end = data == _LF
        if b"\r" in content:
            is_end[:-1] |= (data[:-1] == _CR) & (data[1:] != _LF)
            is_end[-1] |= data[-1] == _CR
        ends = np.flatnonzero(is_end)
        if not len(ends) or ends[-1] != len(data) - 1:
            ends = np.append(ends, len(data))
        starts = np.concatenate([[0], ends[:-1] + 1])
        before = np.searchsorted(np.flatnonzero(data == ord(separator)), np.append(starts, len(data)))
        return cls(starts, ends, np.diff(before))

    def number(self, place: int) -> int:
        """Return the number of the line that holds a place, from 1."""
        return int(np.searchsorted(self.ends, place)) + 1

    def is_blank(self, content: bytes) -> NDArray[np.bool_]:
        """Return which lines are empty, (lines,)."""
        lengths = self.ends - self.starts
        data = np.frombuffer(content, np.uint8)
        is_return = (lengths == 1) & (data[np.minimum(self.starts, len(data) - 1)] == _CR)
        return np.asarray((lengths == 0) | is_return, dtype=bool)


def find_quoted_values(content: bytes, separator: str) -> QuotedValues:
    """Return the quoted values of a file, up to the first that breaks RFC 4180.

    A value is quoted if its first character is a quotation mark. It ends at the next mark that is not doubled, and a separator
    or the end of the line must follow; spaces before it are allowed. Marks inside other values are plain characters.
    """
    marks = _Marks.of(content, separator)
    first, second = marks.places[0::2], marks.places[1::2]
    are_regular = len(first) == len(second) and bool(
        (marks.is_start[0::2] | np.append(False, marks.is_doubled[1:-1:2])).all()
        and (marks.is_end[1::2] | marks.is_doubled[1::2]).all()
    )
    if are_regular:
        return QuotedValues(first[marks.is_start[0::2]], second[~marks.is_doubled[1::2]], None)
    return _walk(content, separator, marks)


@dataclass(frozen=True, eq=False)
class _Marks:
    """Every quotation mark: its place, and whether a value may start or end there, or the next mark follows at once."""

    places: Places
    is_start: NDArray[np.bool_]
    is_end: NDArray[np.bool_]
    is_doubled: NDArray[np.bool_]

    @classmethod
    def of(cls, content: bytes, separator: str) -> _Marks:
        data = np.frombuffer(content, np.uint8)
        places = np.flatnonzero(data == _QUOTE)
        is_border = np.zeros(256, bool)
        is_border[[ord(separator), _LF, _CR]] = True
        is_start = is_border[data[places - 1]]
        is_start |= (places == 0) | ((places == 3) & content.startswith(b"\xef\xbb\xbf"))
        is_end = is_border[data[np.minimum(places + 1, len(data) - 1)]] | (places == len(data) - 1)
        return cls(places, is_start, is_end, np.append(np.diff(places) == 1, False)[: len(places)])


def _walk(content: bytes, separator: str, marks: _Marks) -> QuotedValues:
    """Follow the marks one by one: a file with plain marks inside values, or with a fault, has no regular pairs."""
    places, is_start, is_end = marks.places.tolist(), marks.is_start.tolist(), marks.is_end.tolist()
    is_doubled, count = marks.is_doubled.tolist(), len(marks.places)
    blank_end = re.compile(rf" +(?=[\r\n{re.escape(separator)}]|\Z)".encode())
    opens: list[int] = []
    closes: list[int] = []
    fault = None
    here = 0
    while here < count:
        if not is_start[here]:
            here += 1
            continue
        last = here + 1
        while last < count and is_doubled[last]:
            last += 2
        if last >= count:
            fault = QuoteFault(places[here], None)
            break
        if not is_end[last] and not blank_end.match(content, places[last] + 1):
            is_escaped = content[places[last] - 1] == _BACKSLASH
            fault = QuoteFault(places[here], places[last], is_escaped)
            break
        opens.append(places[here])
        closes.append(places[last])
        here = last + 1
    return QuotedValues(np.array(opens, np.int64), np.array(closes, np.int64), fault)


def has_enclosed_values(content: bytes, separator: str) -> bool:
    """Return whether a value within one line stands between two quotation marks."""
    escaped = re.escape(separator)
    border, inside = rf"[\r\n{escaped}]", rf"[^\r\n{escaped}]*"
    enclosed = rf'(?:\A|{border})"{inside}"(?={border}|\Z)'
    return re.search(enclosed.encode(), content) is not None
