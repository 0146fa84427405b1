"""What a cause is, and how its strength is graded."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMED = 0.5
"""The strength of a cause at its bound. Weaker causes are not named."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A likely cause: how strong its evidence is (0.5 at its bound, 1 beyond doubt), and what to do about it.

    `measurement` holds the measured values by name. `setting` is what to add to `tuner run`, ready to paste; empty if no
    setting of a space would help. `explained_by` names the other causes present that bring this one about.
    """

    name: str
    strength: float
    sentence: str
    measurement: Mapping[str, Any]
    setting: str
    advice: str
    explained_by: tuple[str, ...] = field(default=())


def rising(value: float, bound: float, certain: float) -> float:
    """Grade a value that is bad when large: 0.5 at `bound`, 1 from `certain` on, less than 0.5 below the bound."""
    return _clip(NAMED + (1 - NAMED) * (value - bound) / (certain - bound))


def rising_by_factors(value: float, bound: float, certain: float) -> float:
    """Grade as `rising` does, on a log scale, for values such as learning rates. The bounds are above 0."""
    return rising(math.log(max(value, 1e-300)), math.log(bound), math.log(certain))


def falling_by_factors(value: float, bound: float, certain: float) -> float:
    """Grade on a log scale a value that is bad when small."""
    return rising_by_factors(1 / max(value, 1e-300), 1 / bound, 1 / certain)


def option(*settings: str) -> str:
    """Return `--set` options for "key=value" settings of a space, quoted for a shell."""
    return " ".join(f"--set {shlex.quote(setting)}" for setting in settings)


def _clip(strength: float) -> float:
    return min(max(strength, 0.0), 1.0)
