"""What a trial is given and what it tells: plain values, without torch, so that the driver need not import it."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.scoring.gate import Signs


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a search share."""

    max_epochs: float
    reports_per_epoch: int
    penalty_weight: float
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One evaluation of a trial on the validation split.

    `examples` and `epochs` say how much training it follows; `train_loss` and `gradient_norm` are means over the steps
    since the report before; seconds are wall time since then. `diverged_at_step` is the step at which a number was not
    finite, or None. Where the trial diverged the measures are NaN. `parameters` counts the model's numbers and `precision`
    is what its LSTM computes in; both stay the same over a trial.
    """

    examples: int
    epochs: float
    score: float
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
