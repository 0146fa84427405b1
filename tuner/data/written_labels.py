"""Read a text that writes several labels: a list, an object, or labels between separators.

Lists may be JSON, Python (`['a', 'b']`, `('a', 'b')`, `{'a', 'b'}`) or printed by numpy (`[1. 0.]`, `['a' 'b']`). Objects may be
JSON or a Python dict: `{"a": 1, "b": 0}`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

YES = frozenset({"1", "1.0", "1.", "true", "yes", "y", "t", "on"})
NO = frozenset({"0", "0.0", "0.", "false", "no", "n", "f", "off"})
"""Words that say whether a row has a label, in lower case."""


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
_NUMBERS = re.compile(r"^\[\s*[-+.\w]+(?:\s+[-+.\w]+)*\s*\]$")  # as numpy prints them: [1. 0. 0.]
_QUOTED = re.compile(r"""^\[\s*(?:'[^']*'|"[^"]*")(?:\s+(?:'[^']*'|"[^"]*"))*\s*\]$""")  # ['a' 'b'] means two to numpy
_BARE = re.compile(r"""^\[[^\[\]{}"']*\]$""")


def read_written(text: str) -> Written:
    """Return what a text without outer spaces holds: the items of a list or object, the text itself, or why neither."""
    if text.startswith("[") or (text[:1] + text[-1:] in ("()", "{}") and len(text) > 1):
        return _read_brackets(text)
    if text == "set()":
        return []
    if printed := _PRINTED.match(text):
        return Unreadable(f"is a printed {printed[1]}; write its .tolist()")
    return text


def _read_brackets(text: str) -> Written:
    if "..." in text:
        return Unreadable("is a printed list with ... for what is left out; write it as JSON")
    if _QUOTED.match(text):
        return [part[1:-1] for part in re.findall(r"""'[^']*'|"[^"]*\"""", text)]
    parsed = _parse(text)
    if isinstance(parsed, Mapping):
        return _labels_with_one(parsed)
    if isinstance(parsed, list | tuple | set | frozenset):
        items = [_as_item(value) for value in (sorted(parsed, key=str) if isinstance(parsed, set) else parsed)]
        return NOT_A_LIST if any(isinstance(item, Unreadable) for item in items) else items  # type: ignore[return-value]
    if _NUMBERS.match(text) and all(re.match(r"[-+.\d]|true|false|nan", part, re.I) for part in text[1:-1].split()):
        return list(text[1:-1].split())
    if _BARE.match(text):  # [spam, ham], as YAML writes it
        return [part.strip() for part in text[1:-1].split(",")]
    return text if text.startswith("(") else NOT_A_LIST


def _parse(text: str) -> object:
    """Parse JSON or a Python literal; None if a text is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.replace("\n", " "))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


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
