"""Judge the health of a model in words: each figure against the bound from which it counts as a cause of failure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.diagnosis.causes.optimisation import CLIPPED, DEAD, LOST_GRADIENT, SATURATED
from tuner.diagnosis.causes.rows import UNKNOWN

_CONSTANT = 0.0  # no constant answer has a score above this


@dataclass(frozen=True)
class _Bound:
    """From where on a figure is bad, and why: from `value` down if `is_least`, otherwise from `value` up."""

    value: float
    harm: str
    is_least: bool = False


_BOUNDS = {
    "train_score": _Bound(_CONSTANT, "no better than one constant answer, even on the training rows", is_least=True),
    "gradient_norm": _Bound(CLIPPED, "single steps can wreck the weights"),
    "gradient_ratio": _Bound(LOST_GRADIENT, "hardly any gradient reaches the first layer", is_least=True),
    "gate_saturation": _Bound(SATURATED, "most gates are stuck at 0 or 1"),
    "dead_units": _Bound(DEAD, "most units give the same output for any input"),
    "unknown_share": _Bound(UNKNOWN, "too many tokens are not in the vocabulary"),
}


@dataclass(frozen=True)
class HealthFigure:
    """A figure with its judgement: "good: below 0.6", or "high: at least 0.6, so most gates are stuck at 0 or 1"."""

    name: str
    value: float
    judgement: str


def judge_health(health: Mapping[str, Any]) -> list[HealthFigure]:
    """Judge the figures of a measurement that are known, in a fixed order.

    How often gradients are clipped is judged by their norm: clipping most steps is no fault while the norm is ordinary.
    """
    known = {name: float(value) for name, value in health.items() if value is not None and not math.isnan(float(value))}
    figures = [
        HealthFigure(name, known[name], _judge(known[name], bound)) for name, bound in _BOUNDS.items() if name in known
    ]
    if "clip_rate" in known:
        is_large = known.get("gradient_norm", 0.0) >= CLIPPED
        judgement = (
            f"high: the gradient norm is at least {CLIPPED:g}, so clipping leaves only the direction of a step"
            if is_large and known["clip_rate"] > 0
            else f"good: any share is, while the gradient norm is below {CLIPPED:g}"
        )
        figures.append(HealthFigure("clip_rate", known["clip_rate"], judgement))
    return figures


def _judge(value: float, bound: _Bound) -> str:
    if bound.is_least:
        is_bad, judgement = value <= bound.value, "low: at most"
    else:
        is_bad, judgement = value >= bound.value, "high: at least"
    if is_bad:
        return f"{judgement} {bound.value:g}, so {bound.harm}"
    return f"good: {'above' if bound.is_least else 'below'} {bound.value:g}"
