"""One baseline's decisions on validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.baselines.linear_model import LinearModel
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator

Kind = Literal["constant", "chance", "model", "control", "probe"]


@dataclass(frozen=True)
class Decided:
    """Decisions (rows, labels) on one split, and the probabilities (rows, labels) behind them, if there are any."""

    decisions: Indicator
    probabilities: Reals | None = None


@dataclass(frozen=True)
class Baseline:
    """One baseline's decisions: on validation, cross-fitted if it has thresholds, and on test.

    `seen_share` is the result of `tuner.baselines.probe.seen_share` for a model of texts that hardly beats chance, else None.
    `model` is the fitted model of a linear baseline, None for any other.
    """

    name: str
    kind: Kind
    on_validation: Decided
    on_test: Decided
    seconds: float
    seen_share: float | None = None
    model: LinearModel | None = None

    @property
    def validation(self) -> Indicator:
        """Its decisions (rows, labels) on validation."""
        return self.on_validation.decisions

    @property
    def test(self) -> Indicator:
        """Its decisions (rows, labels) on test."""
        return self.on_test.decisions


def to_beat(baselines: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Return the baselines that a champion must beat: all but the control and the probe."""
    return tuple(baseline for baseline in baselines if baseline.kind not in ("control", "probe"))
