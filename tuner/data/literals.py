"""Values that are written as text in JSON or in Python."""

from __future__ import annotations

import ast
import json
from typing import Any


def parse_json(text: str) -> Any:
    """Return the value that a text writes in JSON, or None if it writes none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_literal(text: str) -> Any:
    """Return the value that a text writes in JSON or as a Python literal, or None if it writes neither."""
    value = parse_json(text)
    if value is not None:
        return value
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
