"""Colons without a space after them: YAML reads {low:64} as the key "low:64" without a value."""

from __future__ import annotations

import re

NO_SPACE = "there is no space after a colon"
_VALUE = r"(?![\s:/\\]|$)"  # addresses such as s3://bucket and paths such as C:\data are no keys
_STUCK = re.compile(rf"([A-Za-z_]\w*):{_VALUE}(.*)")
_COLON = re.compile(rf"(?<=[{{,\s])([A-Za-z_]\w*):{_VALUE}")


def split_stuck(key: str) -> tuple[str, str] | None:
    """Return the key and the value that a key holds if the space after its colon is missing, or None."""
    stuck = _STUCK.fullmatch(key)
    return (stuck[1], stuck[2]) if stuck else None


def with_spaces(text: str) -> str:
    """Return the text with a space after each colon that follows a key."""
    return _COLON.sub(r"\1: ", f" {text}")[1:]


def space_after_colon(value: object) -> str | None:
    """Return the remedy for a text where keys with values are needed, such as time:10m; None if no space is missing."""
    spaced = with_spaces(value) if isinstance(value, str) else value
    return f"put a space after the colon: {spaced}" if spaced != value else None
