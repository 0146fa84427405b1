"""What the declarations of options say, for tests that run every option of a parameter."""

from __future__ import annotations

from typing import Any

from tuner.space.build import declared_options
from tuner.space.options import Number, Text


def defaults_of(parameter: str, option: str) -> dict[str, Any]:
    """Return the own parameters of an option at their defaults, as keywords for its builder."""
    own = declared_options(parameter)[option].parameters
    return {
        name: int(each.default) if isinstance(each, Number) and each.kind == "int" else each.default
        for name, each in own.items()
        if not isinstance(each, Text)
    }
