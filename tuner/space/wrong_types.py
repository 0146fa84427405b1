"""What is wrong with a value of the wrong type, and how to repair it."""

from __future__ import annotations

import math
from typing import Any

from tuner.show_value import show_yaml
from tuner.space.assignment import AS_WRITTEN, Write


def not_a_number(value: Any, kind: str) -> tuple[str, str | Write]:
    """Return the fault and the remedy for a value that is not a number of `kind`, "int" or "float"."""
    wanted = "a whole number" if kind == "int" else "a number"
    if value is None:
        return "has no value", f"write {wanted}, or remove the setting"
    if isinstance(value, str) and _is_number(value):
        return f"{value!r} in quotes is text, but must be {wanted}", "write it without quotes"
    if isinstance(value, float) and math.isfinite(value):
        return f"{show_yaml(value)} is not a whole number", f"round it, for example to {round(value)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{show_yaml(value)} is not a number that can be used", f"write {wanted} of ordinary size"
    return f"{show_yaml(value)} is not {wanted}", f"write {wanted}"


def not_text(value: Any) -> tuple[str, str | Write]:
    """Return the fault and the remedy for a value that is not text."""
    if value is None:
        return "has no value", "write one after the colon"
    quoted = (("", AS_WRITTEN),)
    if isinstance(value, dict | list):
        return f"{show_yaml(value)} is not text", Write(
            "write one name; if this is one, write it in quotes: {}", quoted
        )
    return f"{show_yaml(value)} is not text", Write("write it in quotes: {}", quoted)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
