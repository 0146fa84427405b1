"""Find out what separates labels in a column of texts: "a b", "a, b", "a; b", "a/b", "a|b" or "<a><b>"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

NEVER = "none"
"""The separator that stands for: a text is one label."""

ANGLES = "<>"
_IN_ANGLES = re.compile(r"^(?:\s*<[^<>]+>)+\s*$")
WORDS = {
    ANGLES: "<…>",
    "|": "bars",
    "\t": "tabs",
    "\n": "line breaks",
    ",": "commas",
    ";": "semicolons",
    "&": "&",
    "+": "+",
    "/": "slashes",
    " ": "spaces",
}
"""What separates labels, in words."""

_CANDIDATES = ("\t", "\n", ",", ";", "&", "+", " ", "/")  # a bar always separates
_NUMBER = re.compile(r"(?:0|[1-9]\d*)(?:\.0*)?|true|false|[01]?\.\d+(?:e[-+]\d+)?", re.IGNORECASE)  # also probabilities
_MOST_TEXTS = 20_000  # of different texts to look at
_MOST_LABELS = 12  # on one row on average; a text of more words is a sentence
_FEWEST_REPEATED = 0.8
"""The share of pieces that must occur alone or in two combinations, if pieces are few."""


def split_labels(text: str, separator: str) -> list[str]:
    """Return the labels of a text without outer spaces. A separator at either end separates nothing."""
    if separator == ANGLES:
        return re.findall(r"<([^<>]+)>", text) if _IN_ANGLES.match(text) else [text]
    parts = [part.strip() for part in (text.split() if separator == " " else text.split(separator))]
    while parts and not parts[0]:
        del parts[0]
    while parts and not parts[-1]:
        del parts[-1]
    return parts or [""]


def find_separator(texts: Collection[str]) -> tuple[str | None, str | None]:
    """Return the separator of different texts that are not empty, and one that may be meant but is not sure.

    A bar separates wherever it occurs, and so does <a><b> if every text is written so. Another separator is sure if all pieces
    are numbers, as in "1 0 0", or if its pieces recur: each occurs alone, or most occur several times and there are far fewer
    pieces than texts. A separator may be meant if its pieces recur in another way, or if it is a comma or a semicolon.
    """
    texts = list(texts)[:_MOST_TEXTS]
    if texts and all(map(_IN_ANGLES.match, texts)):
        return ANGLES, None
    if any("|" in text for text in texts):
        return "|", None
    likely: dict[str, int] = {}
    for separator in _CANDIDATES:
        pieces = [[piece for piece in split_labels(text, separator) if piece] for text in texts]
        several = [found for found in pieces if len(found) > 1]
        if not several:
            continue
        if separator == " " and (joiner := _find_joiner(several)) is not None:
            likely[f" {joiner} "] = len(several)
            continue
        if _is_sure(pieces, several):
            return separator, None
        if separator in ",;" or _all_recur(pieces, several):
            likely[separator] = len(several)
    return None, max(likely, key=likely.__getitem__, default=None)


def _is_sure(rows: Sequence[Sequence[str]], several: Sequence[Sequence[str]]) -> bool:
    if all(_NUMBER.fullmatch(piece) for row in rows for piece in row):
        return True
    if sum(map(len, several)) > _MOST_LABELS * len(several):
        return False
    if not all(any(map(str.isalnum, piece)) for row in several for piece in row):
        return False  # "joy - fear" is not separated by spaces
    if sum(len(set(row)) < len(row) for row in several) > 0.02 * len(several):
        return False  # sentences repeat words, lists of labels do not
    counts = Counter(piece for row in rows for piece in set(row))
    pieces = {piece for row in several for piece in row}
    alone = {row[0] for row in rows if len(row) == 1}
    repeated = sum(counts[piece] > 1 for piece in pieces) / len(pieces)
    if pieces <= alone:
        return len(counts) < len(rows)
    return 2 * len(counts) <= len(rows) and repeated >= _FEWEST_REPEATED


def _all_recur(rows: Sequence[Sequence[str]], several: Sequence[Sequence[str]]) -> bool:
    counts = Counter(piece for row in rows for piece in set(row))
    return all(counts[piece] > 1 for row in several for piece in row)


def _find_joiner(several: Sequence[Sequence[str]]) -> str | None:
    """Return the word or sign inside all rows, such as "and" in "joy and fear". A number may be a label."""
    shared = set.intersection(*({piece for piece in row[1:-1] if not _NUMBER.fullmatch(piece)} for row in several))
    return min(shared, default=None) if len(several) > 1 else None
