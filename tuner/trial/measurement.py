"""One evaluation of a trial on the validation split. Plain values, without torch or Ray."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tuner.pruners.gate import Signs

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

HEALTH = ("train_loss", "gradient_norm", "logit_spread", *MEASURED, *STATIC)
"""What `Measurement.health` has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One evaluation of a trial on the validation split.

    `examples` and `epochs` say how much training it follows; `train_loss` and `gradient_norm` are means over the steps
    since the report before; seconds are wall time since then. `diverged_at_step` is the step at which a number was not
    finite, or None. Where the trial diverged the measures are NaN. With folds measures are means over them, steps and
    seconds sums, and `score_spread` is the standard deviation of their scores; without it is NaN. `parameters` counts
    the numbers that are trained, `precision` is what the recurrent layers compute in, and `vocabulary_found` the share
    of the vocabulary that pre-trained vectors have, NaN without any; these stay the same over a trial.

    The rest is there to tell why a trial fails, see `health`, and NaN where it is not known or has no meaning:

    Of the steps since the report before: `clip_rate`, the share whose gradient was clipped, NaN without clipping;
    `gradient_norm_least` and `gradient_norm_most`, before clipping; `tiny_gradient_share`, of those below 1e-4, which
    is a tenth of the smallest seen in a model that learns; `gradient_ratio`, the gradient norm of the first recurrent
    layer over that of the head, on every 20th step: far below 1 it has vanished on its way; `loss_spread`, the standard
    deviation of the losses over their absolute mean.

    At some reports only, see `tuner.training.health.Looks`, and with folds means over the models: `gate_saturation`, the
    share of sigmoid gates' values within 0.02 of 0 or 1, and `dead_units`, the share of the last recurrent layer's units
    whose standard deviation is below 1e-3, over the real steps of a fixed sample of at most 64 validation rows;
    `train_score`, the score on a fixed sample of at most 512 training rows by thresholds fitted on the validation rows: how
    far it stands above `score` is overfitting.

    `probability_spread` is the mean over labels of the standard deviation of the validation probabilities.

    The same all through a trial: `unknown_share`, of the validation tokens those that its vocabulary lacks;
    `truncated_share`, of the validation rows those that `max_length` cuts; `empty_share`, those of which it reads no token
    that it knows. Of sequences only the second has a meaning.
    """

    examples: int
    epochs: float
    score: float
    score_spread: float
    macro_f1: float
    constant_penalty: float
    skill: float
    auc: float
    average_precision: float
    logit_spread: float
    train_loss: float
    gradient_norm: float
    steps: int
    train_seconds: float
    evaluate_seconds: float
    diverged_at_step: int | None
    is_last: bool
    parameters: int
    precision: str
    vocabulary_found: float
    clip_rate: float = math.nan
    gradient_norm_least: float = math.nan
    gradient_norm_most: float = math.nan
    tiny_gradient_share: float = math.nan
    gradient_ratio: float = math.nan
    loss_spread: float = math.nan
    gate_saturation: float = math.nan
    dead_units: float = math.nan
    train_score: float = math.nan
    probability_spread: float = math.nan
    unknown_share: float = math.nan
    truncated_share: float = math.nan
    empty_share: float = math.nan

    @property
    def health(self) -> Mapping[str, float]:
        """What may tell why a trial fails, by name; NaN where it is not known."""
        return {name: getattr(self, name) for name in HEALTH}

    @property
    def signs(self) -> Signs:
        """What the gate reads of this report."""
        return Signs(
            epochs=self.epochs,
            score=self.score,
            constant_penalty=self.constant_penalty,
            skill=self.skill,
            auc=self.auc,
            logit_spread=self.logit_spread,
            is_finite=self.diverged_at_step is None,
        )
