"""The building blocks of the page, as plain values: sections of paragraphs, figures, tables and code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from tuner.show_value import show_on_page

_NAME_FIRST = re.compile(r"\S*[./\\_=]\w")  # such as "rows.csv: …"
_SETTING_LAST = re.compile(r"--\S+ (\S+|'[^']*')$")  # such as "… --set data.folds=5"


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph. The `tone` is "plain", "note" (subdued) or "warning" (emphasised)."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A Plotly figure: its traces and layout as JSON values. `label` describes it to screen readers.

    `height` and `least_width` are in CSS pixels; a figure scrolls if it has less room. Two `is_half` figures share a row if
    there is room. On a narrow screen, `narrow` is merged into the layout.
    """

    kind: ClassVar[str] = "plot"
    key: str
    label: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int = 380
    caption: str = ""
    is_half: bool = False
    least_width: int = 0
    narrow: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts. The columns `numbers` are aligned right. A folded table opens on a click.

    On a narrow screen, `has_long_texts` stacks the cells of each row; other tables scroll, and their first column stays.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()
    caption: str = ""
    is_folded: bool = False
    has_long_texts: bool = False


@dataclass(frozen=True, kw_only=True)
class Code:
    """Lines to copy."""

    kind: ClassVar[str] = "code"
    text: str
    caption: str = ""
    is_folded: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names with their values, side by side or, with `is_list`, one below the other."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]
    is_list: bool = False


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What to do next, with a title: sentences, each with its command."""

    kind: ClassVar[str] = "steps"
    title: str
    steps: Sequence[tuple[str, str]]


Block: TypeAlias = "Paragraph | Heading | Plot | Table | Code | Facts | Steps"


@dataclass(frozen=True, kw_only=True)
class PageSection:
    """One part of a page; `key` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


def table_of(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    caption: str = "",
    is_folded: bool = False,
    has_long_texts: bool = False,
) -> Table:
    """Return a table of rows. `columns` maps keys of the rows to headings. Columns without any value are left out."""
    kept = {key: heading for key, heading in columns.items() if any(row.get(key) is not None for row in rows)}
    numbers = {heading for key, heading in kept.items() if all(_is_number_or_none(row.get(key)) for row in rows)}
    shown = tuple(tuple(show_on_page(row.get(key)) for key in kept) for row in rows)
    return Table(
        columns=tuple(kept.values()),
        rows=shown,
        numbers=frozenset(numbers),
        caption=caption,
        is_folded=is_folded,
        has_long_texts=has_long_texts,
    )


def sentence(words: str) -> str:
    """Return words as a sentence, with a capital letter and a full stop.

    A name of a file at the beginning keeps its letters, and nothing is added to a setting at the end, so both can be copied.
    """
    if not words:
        return words
    start = words[0] if _NAME_FIRST.match(words) else words[0].upper()
    is_complete = words.endswith((".", "!", "?")) or _SETTING_LAST.search(words)
    return f"{start}{words[1:]}{'' if is_complete else '.'}"


def _is_number_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
