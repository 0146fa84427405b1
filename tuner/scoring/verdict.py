"""What the test split says of the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tuner.scoring.bootstrap import Interval

Verdict = Literal["beats_baselines", "no_better_than_baseline", "no_better_than_constant"]


def verdict(skill: Interval, differences: Mapping[str, Interval]) -> Verdict:
    """Judge a champion by the intervals of its skill and of its macro-F1 less each named baseline's.

    It beats what an interval lies wholly above: first the constant rules, by skill, then every baseline.
    """
    if not skill.low > 0:
        return "no_better_than_constant"
    if all(difference.low > 0 for difference in differences.values()):
        return "beats_baselines"
    return "no_better_than_baseline"
