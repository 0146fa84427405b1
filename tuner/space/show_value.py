"""How a value is shown in a message, and what to say of one that has the wrong type."""

from __future__ import annotations

import math
from typing import Any


def show(value: Any) -> str:
    """Return a value as YAML has it, in at most 60 characters; a list or mapping by its kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else f"{value:.12g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def not_a_number(value: Any, kind: str) -> tuple[str, str]:
    """Return what is wrong with a value that is not a number of `kind` ("int" or "float"), and the remedy."""
    wanted = "a whole number" if kind == "int" else "a number"
    if value is None:
        return "has no value", f"write {wanted} after the colon, or remove the line"
    if isinstance(value, str) and _is_number(value):
        return f"{value!r} in quotes is text, and {wanted} is needed", "write it without quotes"
    if isinstance(value, float) and math.isfinite(value):
        return f"{show(value)} is not a whole number", f"round it, as {round(value)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{show(value)} is not a number that can be used", f"write {wanted} of ordinary size"
    return f"{show(value)} is not {wanted}", f"write {wanted}"


def not_text(value: Any) -> tuple[str, str]:
    """Return what is wrong with a value that is not text, and the remedy."""
    if value is None:
        return "has no value", "write one after the colon"
    if isinstance(value, dict | list):
        return f"{show(value)} is not text", "write one name"
    return f"{show(value)} is not text", f'write it in quotes: "{show(value)}"'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
