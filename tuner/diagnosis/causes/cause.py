"""What a cause is, and how its strength is graded."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMED = 0.5
"""The strength at the bound of a cause: what is weaker is not named."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A likely cause: how strong the evidence for it is (0.5 at its bound, 1 where there is no doubt), and what to do.

    `measurement` has what was measured, by name. `setting` is what to add to `tuner run`, ready to be pasted, and empty
    where no setting of a space would help. `explained_by` names the other causes present that bring this one about.
    """

    name: str
    strength: float
    sentence: str
    measurement: Mapping[str, Any]
    setting: str
    advice: str
    explained_by: tuple[str, ...] = field(default=())


def rising(value: float, bound: float, certain: float) -> float:
    """Grade a measure that is bad where it is large: 0.5 at `bound`, 1 from `certain` on, below 0.5 short of the bound."""
    return _clip(NAMED + (1 - NAMED) * (value - bound) / (certain - bound))


def rising_by_factors(value: float, bound: float, certain: float) -> float:
    """The same for a measure that counts in factors, such as a learning rate; all are above 0."""
    return rising(math.log(max(value, 1e-300)), math.log(bound), math.log(certain))


def falling_by_factors(value: float, bound: float, certain: float) -> float:
    """The same where it is bad for the measure to be small."""
    return rising_by_factors(1 / max(value, 1e-300), 1 / bound, 1 / certain)


def option(*settings: str) -> str:
    """Return `--set` options for "key=value" settings of a space, quoted for a shell."""
    return " ".join(f"--set {shlex.quote(setting)}" for setting in settings)


def _clip(strength: float) -> float:
    return min(max(strength, 0.0), 1.0)
