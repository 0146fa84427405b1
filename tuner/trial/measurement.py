"""What a trial is given and what it tells: plain values, without torch or Ray, so that the driver can do without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tuner.pruners.gate import Signs
from tuner.space.configuration import Configuration
from tuner.trial.health_names import MEASURED, STATIC

Phase = Literal["search", "finalist"]

HEALTH = ("train_loss", "gradient_norm", "logit_spread", *MEASURED, *STATIC)
"""What `Measurement.health` has."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a search share. A trial ends after `patience` reports without a better score, if that is set.

    At `rungs`, examples seen, it keeps what it can go on from.
    """

    max_epochs: float
    reports_per_epoch: int
    penalty_weight: float
    patience: int | None = None
    threads: int = 1
    device: str = "cpu"
    rungs: tuple[int, ...] = ()


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

    At some measurements only, see `tuner.training.health.HealthCheckSchedule`, and with folds means over the models:
    `gate_saturation`, the share of sigmoid gates' values within 0.02 of 0 or 1, and `dead_units`, the share of the last
    recurrent layer's units whose standard deviation is below 1e-3, over
    the real steps of a fixed sample of at most 64 validation rows;
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


@dataclass(frozen=True, slots=True)
class Order:
    """One trial to run. `weights` is where it keeps its best weights, None where it keeps none; a search trial does so only
    for a healthy report with a score above `keep_above`. `checkpoint` is where it goes on from, if there is something.

    A search trial does not start after `start_before` (seconds since the epoch): Ray asks for trials before there are
    free workers for them, and those may come too late.
    """

    index: int
    phase: Phase
    configuration: Configuration
    seed: int
    weights: str | None = None
    checkpoint: str | None = None
    start_before: float | None = None
    keep_above: float | None = None


class TrialQueue(Protocol):
    """Where orders come from and what becomes of them goes to; `tuner.search` has the one that runs a search."""

    def next_order(self) -> Order | None:
        """Return a trial to run, or None if there is none yet."""

    def is_done(self) -> bool:
        """Return whether no order will come any more."""

    def started(self, order: Order) -> None:
        """Note that a worker has begun a trial, for the first time or again after its worker died."""

    def waits(self, order: Order) -> None:
        """Note that a trial whose worker died waits for another one."""

    def reported(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        """Note a report, before anything acts on it.

        With `is_to_be_kept` see to it that it outlives this process: the trial, if it goes on, makes a checkpoint of where it
        stands, and what is known of it must not end before that.
        """

    def noted(self, order: Order, note: str) -> None:
        """Say something about a trial that a person should know."""

    def interrupt(self) -> None:
        """Note every trial that has not ended as interrupted, and see to it that this is kept."""

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending has been noted."""

    def hung(self) -> Sequence[Order]:
        """Return the trials that have sent nothing for too long, after noting that they failed."""

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""

    def tick(self) -> None:
        """Run a few times a second for what has to happen now and then; may raise to end the search."""
