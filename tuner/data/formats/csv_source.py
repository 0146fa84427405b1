"""The content of a CSV, and what is known about its header, its lines and its quotation marks."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuner.data.formats.content import REMEDIES
from tuner.data.formats.csv_quotes import Lines, Places, QuotedValues, find_quoted_values, has_enclosed_values
from tuner.errors import data_error

_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class CsvSource:
    """The content of a file, without a byte order mark. What is slow to find is found when it is needed.

    A piece of a file is the header with some of its rows: `lines_before` and `rows_before` count what is left out between them.
    """

    uri: str
    content: bytes
    separator: str
    lines_before: int = 0
    rows_before: int = 0

    def number_in_file(self, line: int) -> int:
        """Return the number in the file of a line of the content. Both count from 1."""
        return line if line <= self.header + 1 else line + self.lines_before

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns. Raises DataError.

        pyarrow's streaming reader would leave a thread behind, which may crash the process while Python shuts down.
        """
        text = io.TextIOWrapper(io.BytesIO(self.content), encoding="utf-8", newline="")
        try:
            return next(filter(None, csv.reader(text, delimiter=self.separator)))
        except csv.Error as error:
            raise data_error(f"{self.uri}:1", f"the header cannot be read ({error})", REMEDIES["csv"]) from error

    @cached_property
    def plain_names(self) -> list[str]:
        """The names of the columns if quotation marks are plain characters in the rows. In the header they may enclose names."""
        line = self.content[self.lines.starts[self.header] : self.lines.ends[self.header]].removesuffix(b"\r")
        is_plain = b'"' in line and find_quoted_values(line, self.separator).fault is not None
        if is_plain:
            return line.decode().split(self.separator)
        return next(csv.reader([line.decode()], delimiter=self.separator))

    @cached_property
    def lines(self) -> Lines:
        return Lines.of(self.content, self.separator)

    @cached_property
    def header(self) -> int:
        """The number of the header's first line, from 0."""
        return int(np.argmin(self.lines.is_blank(self.content)))

    @cached_property
    def values(self) -> QuotedValues:
        """The quoted values of the file, up to the first fault."""
        if b'"' not in self.content:
            return QuotedValues(_NOTHING, _NOTHING, None)
        return find_quoted_values(self.content, self.separator)

    @cached_property
    def has_plain_rows(self) -> bool:
        """Whether every line has the right number of values if quotation marks are plain characters."""
        is_row = (self.lines.separators == len(self.plain_names) - 1) | self.lines.is_blank(self.content)
        return bool(is_row[self.header :].all())

    @property
    def has_only_plain_marks(self) -> bool:
        """Whether quotation marks can only be plain characters: every line is a row, and no value in it is enclosed by them."""
        if not self.has_plain_rows or self.names != self.plain_names:
            return False
        return not has_enclosed_values(self.content[self.lines.ends[self.header] :], self.separator)

    @property
    def has_values_of_several_lines(self) -> bool:
        """Whether a quoted value contains a line break."""
        if not len(self.values.opens):
            return False
        ends = self.lines.ends if self._has_old_line_ends else self._line_feeds
        opened = np.searchsorted(self.values.opens, ends)
        return bool((opened > np.searchsorted(self.values.closes, ends)).any())

    @cached_property
    def _line_feeds(self) -> Places:
        return np.flatnonzero(np.frombuffer(self.content, np.uint8) == ord("\n"))

    @cached_property
    def _has_old_line_ends(self) -> bool:
        """Whether some lines end in a carriage return alone. Finding all lines then takes longer."""
        return b"\r" in self.content and self.content.count(b"\r") > int(self._is_after_return.sum())

    @cached_property
    def _is_after_return(self) -> NDArray[np.bool_]:
        """Return which line feeds follow a carriage return, (line feeds,)."""
        data = np.frombuffer(self.content, np.uint8)
        return np.asarray((data[self._line_feeds - 1] == ord("\r")) & (self._line_feeds > 0), dtype=bool)

    @property
    def _has_blank_lines(self) -> bool:
        """Whether there may be blank lines."""
        gaps = np.diff(self._line_feeds)
        is_blank = gaps == 1
        if b"\r" in self.content:
            is_blank |= (gaps == 2) & self._is_after_return[1:]
        return self._has_old_line_ends or bool(is_blank.any())

    def record_lines(self, *, is_plain: bool) -> Places:
        """Return the numbers, from 0, of the lines where records begin: the header, and then every row."""
        return np.flatnonzero(self._is_outside(is_plain=is_plain) & ~self.lines.is_blank(self.content))

    def count_blank_lines(self, *, is_plain: bool) -> int:
        """Count the blank lines between the header and the last row."""
        if not self._has_blank_lines:
            return 0
        records = self.record_lines(is_plain=is_plain)
        return int(self._is_outside(is_plain=is_plain)[records[0] : records[-1]].sum()) + 1 - len(records)

    def _is_outside(self, *, is_plain: bool) -> NDArray[np.bool_]:
        """Return which lines begin outside quoted values, (lines,)."""
        starts = self.lines.starts
        if is_plain or not len(self.values.opens):
            return np.ones(len(starts), dtype=bool)
        before = np.searchsorted(self.values.opens, starts) - 1
        return np.asarray((before < 0) | (self.values.closes[before] < starts), dtype=bool)
