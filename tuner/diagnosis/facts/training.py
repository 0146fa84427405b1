"""Facts about a training, from a trial's measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.diagnosis.facts.evidence import TrainingFacts

_LATEST = (
    "skill",
    "constant_penalty",
    "auc",
    "train_score",
    "gate_saturation",
    "dead_units",
    "logit_spread",
    "probability_spread",
    "diverged_at_step",
)


def training_facts(measurements: Sequence[Mapping[str, Any]], *, ending: str | None = None) -> TrainingFacts:
    """Sum up measurements, oldest first, as rows of the ledger or dicts of a `Measurement`. At least one is needed.

    A value that is missing, null or NaN counts as not known.
    """
    scores = _known(measurements, "score")
    losses = _known(measurements, "train_loss")
    last: dict[str, Any] = {key: value for row in measurements for key, value in row.items() if _is_known(value)}
    return TrainingFacts(
        ending=ending,
        measurements=len(measurements),
        steps=int(sum(_known(measurements, "steps"))),
        epochs=float(last.get("epochs", 0.0)),
        examples=int(last.get("examples", 0)),
        parameters=last.get("parameters"),
        score=scores[-1] if scores else None,
        best_score=max(scores, default=None),
        late_rise=_late_rise(scores),
        score_noise=_noise(scores),
        first_loss=losses[0] if losses else None,
        least_loss=min(losses, default=None),
        last_loss=losses[-1] if losses else None,
        gradient_norm=_median(measurements, "gradient_norm"),
        gradient_norm_most=max(
            _known(measurements, "gradient_norm_most") or _known(measurements, "gradient_norm"), default=None
        ),
        tiny_gradient_share=_median(measurements, "tiny_gradient_share"),
        gradient_ratio=_median(measurements, "gradient_ratio"),
        clip_rate=_median(measurements, "clip_rate"),
        loss_spread=_median(measurements, "loss_spread"),
        **{name: last.get(name) for name in _LATEST},
    )


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _known(measurements: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in measurements if _is_known(row.get(name))]


def _median(measurements: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = _known(measurements, name)
    return float(np.median(values)) if values else None


def _late_rise(scores: Sequence[float]) -> float | None:
    """Return the mean score of the last third minus the mean of the third before; None for fewer than three scores."""
    third = len(scores) // 3
    return None if not third else float(np.mean(scores[-third:]) - np.mean(scores[-2 * third : -third]))


def _noise(scores: Sequence[float]) -> float | None:
    """Return the standard deviation of the scores around their trend, from second differences; 0 for a straight line."""
    if len(scores) < 3:
        return None
    bends = np.diff(scores, n=2)
    return float(np.median(np.abs(bends)) / math.sqrt(6))  # a second difference adds three errors, weighted 1, -2 and 1
