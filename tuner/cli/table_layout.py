"""Fit text and tables into the width of a terminal. Words and numbers stay whole; only texts that are too long are cut.

A table that is too wide first moves long texts to lines of their own, then drops columns in a stated order, and at last cuts
texts with "…". It says what it left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_GAP = "  "
_INDENT = "    "  # of a text on a line of its own below its row
_LEAST_TEXT = 12  # characters that a cut text keeps
_PIECES = re.compile(r"`[^`]+`\S*|--\S+ '[^']*'\S*|--[\w-]+ \S+|\S*=[\[{][^\n]*?[\]}]+(?=\s|$)\S*|\S+")
"""What a line break must not go through: words, quoted commands, options with their values, settings with lists."""


@dataclass(frozen=True)
class Column:
    """A column as text. Numbers are aligned right, and never cut."""

    name: str
    cells: Sequence[str]
    is_number: bool = False

    @property
    def width(self) -> int:
        """How many cells of a terminal the widest value takes."""
        return max(map(_width, (self.name, *self.cells)))


@dataclass(frozen=True)
class Layout:
    """A table as lines: the header, then the rows. `dropped` and `cut` name the columns that are missing or not whole."""

    lines: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


def lay_out(
    columns: Sequence[Column], width: int | None, *, drop: Sequence[str] = (), below: Sequence[str] = ()
) -> Layout:
    """Lay out a table in at most `width` characters; None is as wide as it takes.

    If it is too wide, the columns `below` become lines below each row. Then columns are left out: those in `drop`, in this
    order, and after them all but the first, from the right. Before the last of these steps, texts are cut.
    """
    kept = [column if column.name in below else _without_endless(column, width) for column in columns]
    texts: list[Column] = []
    dropped: list[str] = []
    if width is not None and _total(kept) > width:
        texts = [column for column in kept if column.name in below]
        kept = [column for column in kept if column.name not in below]
        for name in drop:
            if _total(kept) > width and name in [column.name for column in kept]:
                kept = [column for column in kept if column.name != name]
                dropped.append(name)
        while _least(kept) > width and len(kept) > 1:
            dropped.append(kept.pop().name)
    widths = _shrink(kept, width)
    cut = [column.name for column, most in zip(kept, widths, strict=True) if most < column.width]
    lines = [_line([column.name for column in kept], kept, widths)]
    for row in range(max((len(column.cells) for column in columns), default=0)):
        lines.append(_line([column.cells[row] for column in kept], kept, widths))
        for text in texts:
            lines.extend(wrap(f"{_INDENT}{text.cells[row]}", width) if text.cells[row] else ())
    return Layout(tuple(lines), tuple(dropped), tuple(cut))


def wrap(line: str, width: int | None) -> list[str]:
    """Break a line between words. Further lines are indented as the first, or by two more if it has no indentation.

    A word longer than a line stays whole, and so does a command in backticks: people copy them.
    """
    if width is None or _width(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    lines = [""]
    for piece in _PIECES.findall(line):
        grown = f"{lines[-1]} {piece}" if lines[-1].strip() else f"{indent}{piece}"
        if lines[-1].strip() and _width(grown) > width:
            lines.append(f"{indent or _GAP}{piece}")
        else:
            lines[-1] = grown
    return lines


def wrap_options(line: str, width: int | None) -> list[str]:
    """Break a line of options for a shell before an option, with a backslash, so that it can still be pasted."""
    if width is None or _width(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    options = re.split(r" (?=--\w)", line.lstrip())
    ends = [" \\"] * (len(options) - 1) + [""]
    return [f"{indent}{option}{end}" for option, end in zip(options, ends, strict=True)]


def _without_endless(column: Column, width: int | None) -> Column:
    """Return the column with what no terminal could show taken off its texts: a label may have millions of characters."""
    if width is None:
        return column
    most = 2 * max(width, _LEAST_TEXT)
    return replace(column, cells=[cell if len(cell) <= most else cell[:most] for cell in column.cells])


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _least(columns: Sequence[Column]) -> int:
    """Return the width of a table with every text cut as far as it may be."""
    return sum(map(_least_width, columns)) + len(_GAP) * (len(columns) - 1)


def _least_width(column: Column) -> int:
    return column.width if column.is_number else min(column.width, max(_LEAST_TEXT, _width(column.name)))


def _shrink(columns: Sequence[Column], width: int | None) -> list[int]:
    """Return the width of each column: what it needs, or less for the widest texts until the table fits."""
    widths = [column.width for column in columns]
    if width is None:
        return widths
    least = [_least_width(column) for column in columns]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        spare = [each - fewest for each, fewest in zip(widths, least, strict=True)]
        if max(spare) <= 0:
            return [width] if len(columns) == 1 and not columns[0].is_number else widths
        widest = max(range(len(widths)), key=lambda at: (spare[at] > 0, widths[at]))
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = _cut(cell, width)
        blank = " " * (width - _width(text))
        parts.append(f"{blank}{text}" if column.is_number else f"{text}{blank}")
    return _GAP.join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    """Cut a text to `width`, after a word if that leaves at least half."""
    if _width(text) <= width:
        return text
    kept = text
    while _width(kept) > width - 1:
        kept = kept[:-1]
    words = kept.rpartition(" ")[0].rstrip() if not text[len(kept)].isspace() else kept.rstrip()
    return f"{words if _width(words) >= width / 2 else kept.rstrip()}…"


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
