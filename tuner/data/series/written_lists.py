"""Read lists of numbers that are written as text: as JSON, or as Python and numpy print them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa

from tuner.data.literals import parse_json

EXACT = 1 << 53
"""Up to here, 64-bit floating point has every whole number."""
NO_NUMBER = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>"})
"""How programs write that a number is missing, in lower case."""
CUT = "..."
"""What numpy prints in place of the middle of a long array."""

Steps = list[list[float] | None]

_SCALAR = re.compile(r"(?:np\.|numpy\.)?(?:float|int|uint)\d+\(([^()]*)\)")
_TYPE = re.compile(r",\s*dtype=[\w.]+(?=\))")
_ARRAY = re.compile(r"(?:np\.|numpy\.)?array\((?=\[)")
_SPACE = re.compile(r"(?<=[\w.\]])\s+(?=[-+\w.\[])")
_LAST_COMMA = re.compile(r",\s*(?=\])")
_NO_DIGIT_AFTER = re.compile(r"(?<=\d)\.(?!\d)")
_NO_DIGIT_BEFORE = re.compile(r"(?<!\d)\.(?=\d)")
_WORDS = {"nan": "null", "none": "null", "na": "null", "inf": "Infinity"}
_WORD = re.compile(r"(?<!\w)(?:nan|none|na|inf)(?!\w)|<NA>", re.IGNORECASE)
_NUMBER = r"(?:[-+.\deE]+|nan|NaN)"
_BARE = re.compile(rf"{_NUMBER}(?:\s+{_NUMBER})+")
_SEPARATED = re.compile(rf"{_NUMBER}(?:\s*([,;|])\s*{_NUMBER})+")


def parse_steps(text: str, large: set[int]) -> Steps | None:
    """Return the steps in a text, with NaN for null. Return None if it is not a list of numbers or of lists of numbers.

    Whole numbers that floating point may not have are added to `large`.
    """
    if not text.strip():
        return []
    parsed = parse_json(text)
    if parsed is None and '"' not in text and CUT not in text:
        parsed = parse_json(_to_json(text))
    if not isinstance(parsed, list):
        return None
    is_nested = any(isinstance(step, list) for step in parsed)
    steps = [None if _is_missing(step) else step for step in parsed] if is_nested else [[value] for value in parsed]
    if not all(step is None or (isinstance(step, list) and all(map(_is_number, step))) for step in steps):
        return None
    return [None if step is None else [_to_float(value, large) for value in step] for step in steps]


def read_number_lists(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Read a column of texts with a list of numbers in each value as a column of lists, null where a text is none.

    Return None if the first text that is not empty does not begin like a list.
    """
    texts = column.to_pylist()
    first = next((text for text in texts if text is not None and text.strip()), "")
    if not first.lstrip().startswith("["):
        return None
    parsed = [None if text is None else parse_steps(text, set()) for text in texts]
    lists = [None if row is None else [step[0] if step else None for step in row] for row in parsed]
    return pa.chunked_array([pa.array(lists, pa.list_(pa.float64()))])


def is_python_list(text: str) -> bool:
    """Return whether a text is JSON, or Python's form of a list, which differs in the spelling of NaN."""
    return parse_json(text.replace("nan", "NaN")) is not None


def separator_of(text: str) -> str | None:
    """Return the comma, semicolon or bar between numbers that are not in brackets; None for any other text."""
    match = _SEPARATED.fullmatch(text.strip())
    return None if match is None else match[1]


def _to_json(text: str) -> str:
    """Rewrite what Python prints for lists, tuples and arrays of numbers: [1. nan], (1, 2), [np.float64(1.5)]."""
    text = text.strip()
    if _BARE.fullmatch(text):
        text = f"[{text}]"
    if "(" in text:
        text, arrays = _ARRAY.subn("", _TYPE.sub("", _SCALAR.sub(r"\1", text)))
        text = (text.replace("])", "]") if arrays else text).replace("(", "[").replace(")", "]")
    if "," not in text:
        text = _SPACE.sub(", ", text)
    text = _NO_DIGIT_BEFORE.sub("0.", _NO_DIGIT_AFTER.sub(".0", _LAST_COMMA.sub("", text)))
    return _WORD.sub(lambda word: _WORDS.get(word[0].lower(), "null"), text).replace("+", "")


def _is_number(value: object) -> bool:
    return _is_missing(value) or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_missing(value: object) -> bool:
    return value is None or value != value or (isinstance(value, str) and value.strip().lower() in NO_NUMBER)


def _to_float(value: Any, large: set[int]) -> float:
    if _is_missing(value):
        return np.nan
    try:
        number = float(value)
    except OverflowError:  # a whole number with hundreds of digits
        return np.inf
    if isinstance(value, int) and abs(value) > EXACT:
        large.add(value)
    return number
