"""Values of --set that the shell has taken apart, because nobody quoted them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_OPEN, _CLOSE = "[{", "]}"
_WITHOUT_SPACE = re.compile(r"([A-Za-z_]\w*):(?=\S)")


def mended_command(arguments: Sequence[str]) -> str | None:
    """Return the command line with quotes around each --set that the shell has split; None if it has split none.

    `arguments` are those after the program's name. A value with an open bracket goes on in the next argument. A setting that
    comes twice in a row, the second time without --set, had alternatives in braces, which the shell has multiplied out.
    """
    mended: list[str] = []
    rest = list(arguments)
    is_split = False
    while rest:
        word = rest.pop(0)
        if word == "--set" and rest:
            mended.append(word)
            word = ""
        elif not word.startswith("--set="):
            mended.append(word)
            continue
        first = word.removeprefix("--set=") or rest.pop(0)
        joined, taken = _joined(first, rest)
        rest = rest[taken:]
        is_split = is_split or taken > 0
        mended.append(f"--set={joined}" if word else joined)
    return shlex.join(["tuner", *mended]) if is_split else None


def _joined(first: str, rest: Sequence[str]) -> tuple[str, int]:
    """Return an assignment put together again, and how many of the further arguments belong to it."""
    if _depth(first) > 0:
        for taken in range(1, len(rest) + 1):
            joined = " ".join((first, *rest[:taken]))
            if _depth(joined) == 0:
                return joined, taken
        return first, 0
    key, equals, value = first.partition("=")
    if not equals and rest and rest[0].startswith("="):  # key = value
        taken = 1 if len(rest[0]) > 1 else 2
        return "".join((key, *rest[:taken])), min(taken, len(rest))
    if equals and not value and rest and rest[0][:1] in tuple(_OPEN):  # key= [value]
        joined, taken = _joined(f"{first}{rest[0]}", rest[1:])
        return joined, taken + 1
    same = 0
    while equals and same < len(rest) and rest[same].startswith(f"{key}="):
        same += 1
    if not same:
        return first, 0
    values = [value, *(word.partition("=")[2] for word in rest[:same])]
    if all(map(_WITHOUT_SPACE.match, values)):
        values = [_WITHOUT_SPACE.sub(r"\1: ", each) for each in values]
        return f"{key}={{{', '.join(values)}}}", same
    return f"{key}=[{', '.join(values)}]", same


def _depth(text: str) -> int:
    """Return how many brackets are open at the end of a text."""
    return sum((letter in _OPEN) - (letter in _CLOSE) for letter in text)
