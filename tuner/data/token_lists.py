"""Rows that are lists of tokens: how such a row is held as one text.

A row of tokens is the text of its tokens, each with a separator in front. So it goes wherever a text goes, and this module is
the only one that knows the separator. Tokens stay as they are given: "New York" is one token, and 12 and 120 are two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

SEPARATOR = "\x1f"
"""U+001F, the unit separator. No text begins with it, and no token contains it."""


def join_tokens(tokens: Iterable[str]) -> str:
    """Return the row of these tokens; none is empty or contains the separator."""
    return "".join(SEPARATOR + token for token in tokens) or SEPARATOR


def is_token(value: Any) -> bool:
    """Return whether a value can be a token: a whole number, or a text that is not empty and has no separator."""
    if isinstance(value, str):
        return value != "" and SEPARATOR not in value
    return isinstance(value, Integral) and not isinstance(value, bool)


def split_tokens(row: str) -> list[str]:
    """Return the tokens of a row that `join_tokens` made."""
    return row.split(SEPARATOR)[1:] if len(row) > 1 else []


def are_token_lists(rows: Sequence[str]) -> bool:
    """Return whether rows are lists of tokens. All rows of a data set are of one kind, so the first one tells."""
    return bool(rows) and rows[0].startswith(SEPARATOR)


def as_plain_text(text: str) -> str:
    """Return a text that cannot be taken for a list of tokens."""
    return text.lstrip(SEPARATOR)


def show_row(row: str) -> str:
    """Return a row as people read it: a text as it is, and tokens with spaces between them."""
    return " ".join(row.split(SEPARATOR)[1:]) if row.startswith(SEPARATOR) else row
