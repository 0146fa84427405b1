"""What a cause is, and how its strength is graded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMED = 0.5
"""The strength of a cause at its bound. Weaker causes are not named."""


@dataclass(frozen=True)
class Step:
    """One setting of a remedy, such as "space.layers", its value as in a space file, and what it does: "use one layer"."""

    key: str
    value: Any
    does: str


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Something to do about a cause: settings, or only a sentence.

    With `searches_longer`, the sentence stands before the command that gives the run more time or more trials, and is
    no advice without one.
    """

    steps: tuple[Step, ...] = ()
    sentence: str = ""
    searches_longer: bool = False


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A likely cause: how strong its evidence is (0.5 at its bound, 1 beyond doubt), and what to do about it.

    `measurement` holds the measured values by name. `remedies` are candidates, the best first; the last is only a sentence.
    `tuner.diagnosis.causes.advice` chooses the first that can help, and fills in `advice` (a sentence), `setting` (what to
    add to `tuner run`; empty if no setting would help) and `command` (the whole command; empty if the run is not known).
    `explained_by` names the other causes present that bring this one about.
    """

    name: str
    strength: float
    sentence: str
    measurement: Mapping[str, Any]
    remedies: tuple[Remedy, ...] = ()
    setting: str = ""
    advice: str = ""
    command: str = ""
    explained_by: tuple[str, ...] = field(default=())


def steps(*each: Step) -> Remedy:
    """Return a remedy of several settings."""
    return Remedy(steps=each)


def say(sentence: str) -> Remedy:
    """Return a remedy without a setting."""
    return Remedy(sentence=sentence)


def rising(value: float, bound: float, certain: float) -> float:
    """Grade a value that is bad when large: 0.5 at `bound`, 1 from `certain` on, less than 0.5 below the bound."""
    return _clip(NAMED + (1 - NAMED) * (value - bound) / (certain - bound))


def rising_by_factors(value: float, bound: float, certain: float) -> float:
    """Grade as `rising` does, on a log scale, for values such as learning rates. The bounds are above 0."""
    return rising(math.log(max(value, 1e-300)), math.log(bound), math.log(certain))


def falling_by_factors(value: float, bound: float, certain: float) -> float:
    """Grade on a log scale a value that is bad when small."""
    return rising_by_factors(1 / max(value, 1e-300), 1 / bound, 1 / certain)


def _clip(strength: float) -> float:
    return min(max(strength, 0.0), 1.0)
