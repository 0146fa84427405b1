"""The best measurement of a trial so far, and how long ago it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.pruners.gate import NO_MERIT, merit
from tuner.training.state import State
from tuner.trial.measurement import Measurement


@dataclass
class BestSoFar:
    """The best score and merit of a trial's measurements, and how many came since the one with the best score."""

    score: float = -math.inf
    merit: tuple[int, float] = NO_MERIT
    measurements_since: int = 0

    def take_score(self, score: float) -> None:
        """Count a measurement."""
        self.measurements_since += 1
        if score > self.score:  # false for NaN
            self.score, self.measurements_since = score, 0

    def take_merit(self, measurement: Measurement) -> None:
        """Keep the merit of a measurement if it is the best."""
        if math.isfinite(measurement.score):
            self.merit = max(self.merit, merit(measurement.signs))

    def is_stuck(self, patience: int | None) -> bool:
        """Return whether the last `patience` measurements brought no better score; never without patience."""
        return patience is not None and self.measurements_since >= patience

    def state(self) -> State:
        """Return all of it, under the names that states of version 2 have."""
        return {
            "best": self.score,
            "best_merit": list(self.merit),
            "reports_since_best": self.measurements_since,
        }

    def restore(self, state: State) -> None:
        """Take over what `state` returned. Raises KeyError, TypeError or ValueError if it is something else."""
        health, score = state["best_merit"]
        self.score, self.measurements_since = state["best"], state["reports_since_best"]
        self.merit = int(health), float(score)
