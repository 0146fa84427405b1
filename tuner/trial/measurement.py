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
"""Of the steps since the previous measurement."""
MEASURED = (*OF_STEPS, "gate_saturation", "dead_units", "train_score", "probability_spread")
"""Measured again each time."""

STATIC = ("unknown_share", "truncated_share", "empty_share")
"""The same for a whole trial."""

HEALTH = ("train_loss", "gradient_norm", "logit_spread", *MEASURED, *STATIC)
"""The names in `Measurement.health`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One evaluation of a trial on the validation split.

    `examples` and `epochs` count the training before it. `train_loss` and `gradient_norm` are means over the steps since
    the previous measurement, and seconds are wall time since then. `diverged_at_step` is the step at which a number was not
    finite, or None. If the trial diverged, the measures are NaN.

    With folds, measures are means over the folds, steps and seconds are sums, and `score_spread` is the standard deviation
    of the folds' scores. Without folds `score_spread` is NaN.

    The same for a whole trial: `parameters`, the number of trained parameters; `precision`, the number format of the
    recurrent layers; `vocabulary_found`, the share of the vocabulary that has pre-trained vectors, NaN without any.

    The rest can explain why a trial fails, see `health`. A value is NaN if it is unknown or has no meaning.

    Of the steps since the previous measurement:

    - `clip_rate`: the share whose gradient was clipped; NaN without clipping.
    - `gradient_norm_least`, `gradient_norm_most`: of the norms before clipping.
    - `tiny_gradient_share`: the share with a norm below 1e-4, a tenth of the smallest seen in a model that learns.
    - `gradient_ratio`: the gradient norm of the first recurrent layer over the norm of the head, on every 20th step. Far
    below 1, the gradient has vanished on its way.
    - `loss_spread`: the standard deviation of the losses over their absolute mean.

    At some measurements only (see `tuner.training.health`), as means over the models with folds:

    - `gate_saturation`: the share of sigmoid gate values within 0.02 of 0 or 1.
    - `dead_units`: the share of units of the last recurrent layer whose standard deviation is below 1e-3. Both are taken over
      the real steps of a fixed sample of at most 64 validation rows.
    - `train_score`: the score on a fixed sample of at most 512 training rows, with thresholds fitted on the validation rows.
      The more it exceeds `score`, the more the model overfits.

    At every measurement: `probability_spread`, the standard deviation of the validation probabilities over rows, as the mean
    over labels.

    The same for a whole trial:

    - `unknown_share`: the share of validation tokens that are not in the vocabulary; NaN for sequences.
    - `truncated_share`: the share of validation rows that `max_length` cuts.
    - `empty_share`: the share of validation rows in which no token is known; NaN for sequences.
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
        """What can explain why a trial fails, by name. NaN if unknown."""
        return {name: getattr(self, name) for name in HEALTH}

    @property
    def signs(self) -> Signs:
        """What the gate reads of this measurement."""
        return Signs(
            epochs=self.epochs,
            score=self.score,
            constant_penalty=self.constant_penalty,
            skill=self.skill,
            auc=self.auc,
            logit_spread=self.logit_spread,
            is_finite=self.diverged_at_step is None,
        )
