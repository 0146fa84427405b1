"""Read a text that writes several labels: a list, an object, or labels between separators.

Lists may be JSON, Python (`['a', 'b']`, `('a', 'b')`, `{'a', 'b'}`) or printed by numpy (`[1. 0.]`, `['a' 'b']`). Objects may be
JSON or a Python dict: `{"a": 1, "b": 0}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tuner.data.labels.boolean_words import NO, YES
from tuner.data.literals import parse_literal


@dataclass(frozen=True)
class Unreadable:
    """Why a text cannot be read, as the end of a sentence about its column, and the value that is wrong, if there is one."""

    reason: str
    example: str = ""


Items: TypeAlias = list[str | None]
Written: TypeAlias = Items | Unreadable | str
"""What a text holds: a list of items, or a plain text. An object is the list of its labels with 1."""

NOT_A_LIST = Unreadable('is not a list of labels such as ["a", "b"]')
_PRINTED = re.compile(r"^(?:[a-z]+\.)?(tensor|array|series|index)\s*\(", re.IGNORECASE)
_NUMBER = r"(?:[-+]?\.?\d[\d.e+-]*|true|false|nan)"
_NUMBERS = re.compile(rf"^\[\s*{_NUMBER}(?:\s+{_NUMBER})*\s*\]$", re.IGNORECASE)  # as numpy prints them: [1. 0. 0.]
_QUOTED_ITEM = re.compile(r"""'[^']*'|"[^"]*["]""")
_QUOTED = re.compile(
    rf"^\[\s*(?:{_QUOTED_ITEM.pattern})(?:\s+(?:{_QUOTED_ITEM.pattern}))+\s*\]$"
)  # ['a' 'b'] means two to numpy
_LEFT_OUT = re.compile(r"[\s,]\.\.\.[\s,]")  # numpy prints long lists so
_BARE = re.compile(r"""^\[[^\[\]{}"']*\]$""")


def read_written(text: str, *, has_bare: bool = True) -> Written:
    """Return what a text without outer spaces holds: the items of a list or object, the text itself, or why neither.

    With `has_bare`, [a, b] is a list too, though its items have no quotes.
    """
    is_bare = _BARE.match(text) and not (_NUMBERS.match(text) or _LEFT_OUT.search(text))
    if is_bare and not has_bare and _parse(text) is None:
        return text
    if text.startswith("[") or (text[:1] + text[-1:] in ("()", "{}") and len(text) > 1):
        return _read_brackets(text)
    if text == "set()":
        return []
    if printed := _PRINTED.match(text):
        return Unreadable(f"is a printed {printed[1]}; write its .tolist()")
    return text


def _read_brackets(text: str) -> Written:
    if _QUOTED.match(text):
        return [part[1:-1] for part in _QUOTED_ITEM.findall(text)]
    parsed = _parse(text)
    if isinstance(parsed, Mapping):
        return _labels_with_one(parsed)
    if isinstance(parsed, list | tuple | set) and ... not in parsed:
        return _as_items(sorted(parsed, key=str) if isinstance(parsed, set) else parsed)
    if _LEFT_OUT.search(text):
        return Unreadable("is a printed list with ... for what is left out; write it as JSON")
    if _NUMBERS.match(text):
        return list(text[1:-1].split())
    if _BARE.match(text):  # [spam, ham], as YAML writes it
        return [part.strip() for part in text[1:-1].split(",")]
    return text if text.startswith("(") else NOT_A_LIST


def _parse(text: str) -> object:
    """Return the value that a text writes. A line break counts as a space."""
    return parse_literal(text.replace("\n", " "))


def _as_items(values: Iterable[object]) -> Items | Unreadable:
    items: Items = []
    for value in values:
        item = _as_item(value)
        if isinstance(item, Unreadable):
            return NOT_A_LIST
        items.append(item)
    return items


def _as_item(value: object) -> str | Unreadable | None:
    """Return an item as text. Whole floats are written as whole numbers, so that 1.0 and 1 are the same."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return None if value != value else str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else NOT_A_LIST


def _labels_with_one(parsed: Mapping[object, object]) -> Items | Unreadable:
    labels: Items = []
    for name, value in parsed.items():
        item = _as_item(value)
        word = item.strip().lower() if isinstance(item, str) else None
        if word in YES:
            labels.append(str(name))
        elif item is not None and word not in NO:
            shown = "a list or an object" if isinstance(item, Unreadable) else item
            return odd_value(str(name), shown)
    return labels


def odd_value(name: str, value: object) -> Unreadable:
    """Return why an object with this value cannot be read."""
    return Unreadable("is an object with values other than 0 and 1", f", such as {value} for {name!r}")
