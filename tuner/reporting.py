"""What a trial is given and what it tells: plain values, without torch or Ray, so that the driver can do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tuner.scoring.gate import Signs
from tuner.space.sampler import Configuration

Phase = Literal["search", "finalist"]


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a search share. A trial ends after `patience` reports without a better score, if that is set."""

    max_epochs: float
    reports_per_epoch: int
    penalty_weight: float
    patience: int | None = None
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One evaluation of a trial on the validation split.

    `examples` and `epochs` say how much training it follows; `train_loss` and `gradient_norm` are means over the steps
    since the report before; seconds are wall time since then. `diverged_at_step` is the step at which a number was not
    finite, or None. Where the trial diverged the measures are NaN. With folds measures are means over them, steps and
    seconds sums, and `score_spread` is the standard deviation of their scores; without it is NaN. `parameters` counts
    the numbers that are trained, `precision` is what the recurrent layers compute in, and `vocabulary_found` the share
    of the vocabulary that pre-trained vectors have, NaN without any; these stay the same over a trial.
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


@dataclass(frozen=True, kw_only=True)
class Order:
    """One trial to run. `weights` is where a finalist keeps its best weights; a search trial keeps none.

    A search trial does not start after `start_before` (seconds since the epoch): Ray asks for trials before there are
    free workers for them, and those may come too late.
    """

    index: int
    phase: Phase
    configuration: Configuration
    seed: int
    weights: str | None = None
    start_before: float | None = None


class Desk(Protocol):
    """Where orders come from and what becomes of them goes to; `tuner.search` has the one that runs a search."""

    def next_order(self) -> Order | None:
        """Return a trial to run, or None if there is none yet."""

    def is_done(self) -> bool:
        """Return whether no order will come any more."""

    def started(self, order: Order) -> None:
        """Note that a worker has begun a trial, for the first time or again after its worker died."""

    def reported(self, order: Order, report: Report) -> None:
        """Note a report, before anything acts on it."""

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending has been noted."""

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""

    def tick(self) -> None:
        """Run a few times a second for what has to happen now and then; may raise to end the search."""
