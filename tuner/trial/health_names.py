"""The names of what tells how a training goes; `tuner.trial.measurement.Measurement` says what each one is."""

from __future__ import annotations

OF_STEPS = (
    "clip_rate",
    "gradient_norm_least",
    "gradient_norm_most",
    "tiny_gradient_share",
    "gradient_ratio",
    "loss_spread",
)
"""Of the steps since the report before."""
MEASURED = (*OF_STEPS, "gate_saturation", "dead_units", "train_score", "probability_spread")
"""Measured anew for every report."""

STATIC = ("unknown_share", "truncated_share", "empty_share")
"""The same over a whole trial."""
