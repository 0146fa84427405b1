"""Health checks: figures that show why training fails, measured on a few fixed rows.

`tuner.trial.measurement.Measurement` explains the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.model.gates import activity
from tuner.scoring.indicator import as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.thresholds import decide
from tuner.space.task import Task
from tuner.training.batches import Rows
from tuner.training.loop import predict_logits
from tuner.training.state import State
from tuner.training.transfer import to_device

_ROWS_WATCHED, _STEPS_WATCHED = 64, 32
_ROWS_SCORED = 512
# A check costs as much as training on about 250 rows, on texts and sequences alike. This keeps checks below 1.5 % of the
# training time.
_ROWS_BETWEEN_CHECKS = 19_200


@dataclass(frozen=True, eq=False)
class HealthSamples:
    """Validation rows for watching gates and units, cut to 32 steps, and training rows for the training score.

    `reading` says how much of the validation rows the model does not read; see `reading_shares`.
    """

    watched: Rows
    trained: Rows
    reading: Mapping[str, float]


class HealthCheckSchedule:
    """Decides at which measurements a model's health is checked: regularly, at the end, and on signs of collapse.

    Regularly means after 19,200 more rows have been read. Of the measurements that show collapse, the first, fourth, sixteenth
    and so on are checked, because a collapsed trial is stopped before it makes a last measurement.
    """

    def __init__(self) -> None:
        self._examples = 0
        self._collapsed, self._next_collapsed = 0, 1

    def is_due(self, examples: int, *, is_collapsed: bool, is_last: bool) -> bool:
        """Return whether to check at a measurement after `examples` examples. Call this once per measurement."""
        self._collapsed += is_collapsed
        is_sign = self._collapsed == self._next_collapsed
        if is_sign:
            self._next_collapsed *= 4
        if not (is_last or is_sign or examples - self._examples >= _ROWS_BETWEEN_CHECKS):
            return False
        self._examples = examples
        return True

    def state(self) -> State:
        """Return what later checks depend on."""
        return {"examples": self._examples, "collapsed": self._collapsed, "next_collapsed": self._next_collapsed}

    def restore(self, state: State) -> None:
        """Continue from a state that `state` returned."""
        self._examples = state["examples"]
        self._collapsed, self._next_collapsed = state["collapsed"], state["next_collapsed"]


def draw_samples(
    trained: Rows, validation: Rows, *, reading: Mapping[str, float], generator: np.random.Generator
) -> HealthSamples:
    """Draw the rows for a model's health checks, the same throughout its training; at most half of each set."""
    watched = _some(validation, _ROWS_WATCHED, generator)
    return HealthSamples(
        watched=replace(watched, lengths=np.minimum(watched.lengths, _STEPS_WATCHED)),
        trained=_some(trained, _ROWS_SCORED, generator),
        reading=reading,
    )


def check_health(
    model: SequenceClassifier,
    samples: HealthSamples,
    thresholds: NDArray[np.float64],
    task: Task,
    *,
    seen: NDArray[np.bool_],
    penalty_weight: float,
) -> dict[str, float]:
    """Return `gate_saturation`, `dead_units` and `train_score`; `thresholds` are used for the score.

    Pass thresholds fitted on all validation rows. Thresholds fitted on the few training rows cost up to 0.2 of the score with 28
    labels, because some labels have hardly any positives among these rows.
    """
    rows, device = samples.watched, next(model.parameters()).device
    steps = to_device(rows.padded(np.arange(len(rows))), device)
    gates = activity(model, steps, to_device(rows.lengths, device))
    probabilities = to_probabilities(predict_logits(model, samples.trained), task, seen=seen)
    truth = as_indicator(samples.trained.targets, len(seen))
    decisions = decide(probabilities, thresholds, task)
    score = measure(decisions, truth, task, penalty_weight=penalty_weight, is_detailed=False).score
    return {**asdict(gates), "train_score": score}


def probability_spread(probabilities: NDArray[np.float64]) -> float:
    """Return the mean over columns of the standard deviation over rows; probabilities (rows, labels)."""
    return float(probabilities.std(axis=0).mean())


def reading_shares(rows: Rows, whole_lengths: NDArray[np.int64], *, unknown: int | None) -> dict[str, float]:
    """Return `unknown_share`, `truncated_share` and `empty_share` of cut rows; `whole_lengths` (rows,) are their full lengths.

    `unknown` is the number of the unknown token; None for sequences, which have none.
    """
    truncated = float((rows.lengths < whole_lengths).mean())
    if unknown is None:
        return {"unknown_share": math.nan, "truncated_share": truncated, "empty_share": math.nan}
    known = np.concatenate([[0], np.cumsum(rows.steps != unknown)])
    in_row = known[rows.starts + rows.lengths] - known[rows.starts]
    return {
        "unknown_share": float((rows.steps == unknown).mean()),
        "truncated_share": truncated,
        "empty_share": float((in_row == 0).mean()),
    }


def _some(rows: Rows, most: int, generator: np.random.Generator) -> Rows:
    chosen = np.sort(generator.permutation(len(rows))[: min(most, (len(rows) + 1) // 2)])
    taken: dict[str, Any] = {name: getattr(rows, name)[chosen] for name in ("starts", "lengths", "targets")}
    return replace(rows, **taken)
