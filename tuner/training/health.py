"""What tells why a training fails, measured on a few fixed rows: see `tuner.trial.measurement.Measurement`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.model.gates import activity
from tuner.scoring.indicator import as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.thresholds import decide
from tuner.space.settings import Task
from tuner.training.batches import Rows
from tuner.training.loop import predict_logits
from tuner.training.state import State

_ROWS_LOOKED_INTO, _STEPS_LOOKED_INTO = 64, 32
_ROWS_SCORED = 512
# A look at all these rows costs what training on about 250 does, on texts as on sequences, so this keeps looks below 1.5 % of
# a training's time.
_ROWS_BETWEEN_LOOKS = 19_200


@dataclass(frozen=True, eq=False)
class Samples:
    """Validation rows that the gates are watched on, cut to 32 steps, and training rows that are scored.

    `reading` says what all validation rows lose as the model reads them, see `reading_shares`.
    """

    watched: Rows
    trained: Rows
    reading: Mapping[str, float]


class Looks:
    """Says when a model is looked at: now and then, at the end, and where it seems to have collapsed.

    Now and then is after each 19,200 rows read; of the reports that show collapse it is the first, fourth, sixteenth and so
    on, because a trial that goes on so will be stopped without a last report of its own.
    """

    def __init__(self) -> None:
        self._examples = 0
        self._collapsed, self._next_collapsed = 0, 1

    def is_due(self, examples: int, *, is_collapsed: bool, is_last: bool) -> bool:
        """Return whether to look, at a report after so many examples; asked once at each report."""
        self._collapsed += is_collapsed
        is_sign = self._collapsed == self._next_collapsed
        if is_sign:
            self._next_collapsed *= 4
        if not (is_last or is_sign or examples - self._examples >= _ROWS_BETWEEN_LOOKS):
            return False
        self._examples = examples
        return True

    def state(self) -> State:
        """Return what the next looks depend on."""
        return {"examples": self._examples, "collapsed": self._collapsed, "next_collapsed": self._next_collapsed}

    def restore(self, state: State) -> None:
        """Go on where others left off."""
        self._examples = state["examples"]
        self._collapsed, self._next_collapsed = state["collapsed"], state["next_collapsed"]


def draw_samples(
    trained: Rows, validation: Rows, *, reading: Mapping[str, float], generator: np.random.Generator
) -> Samples:
    """Draw the rows that a model is looked at by, the same all through its training; of a small set, half its rows."""
    watched = _some(validation, _ROWS_LOOKED_INTO, generator)
    return Samples(
        watched=replace(watched, lengths=np.minimum(watched.lengths, _STEPS_LOOKED_INTO)),
        trained=_some(trained, _ROWS_SCORED, generator),
        reading=reading,
    )


def look(
    model: SequenceClassifier,
    samples: Samples,
    thresholds: NDArray[np.float64],
    task: Task,
    *,
    seen: NDArray[np.bool_],
    penalty_weight: float,
) -> dict[str, float]:
    """Return `gate_saturation`, `dead_units` and `train_score`, the score by these `thresholds`.

    Thresholds fitted on all validation rows judge few training rows better than their own would: with 28 labels those lost
    up to 0.2 of the score, for labels of which the few rows have hardly one.
    """
    rows, device = samples.watched, next(model.parameters()).device
    steps = torch.from_numpy(rows.padded(np.arange(len(rows)))).to(device)
    inside = activity(model, steps, torch.from_numpy(rows.lengths).to(device))
    probabilities = to_probabilities(predict_logits(model, samples.trained), task, seen=seen)
    truth = as_indicator(samples.trained.targets, len(seen))
    decisions = decide(probabilities, thresholds, task)
    score = measure(decisions, truth, task, penalty_weight=penalty_weight, is_detailed=False).score
    return {**asdict(inside), "train_score": score}


def probability_spread(probabilities: NDArray[np.float64]) -> float:
    """Return the mean over columns of the standard deviation over rows; probabilities (rows, labels)."""
    return float(probabilities.std(axis=0).mean())


def reading_shares(rows: Rows, whole_lengths: NDArray[np.int64], *, unknown: int | None) -> dict[str, float]:
    """Return `unknown_share`, `truncated_share` and `empty_share` of rows that were cut from `whole_lengths` (rows,).

    `unknown` is the number of the unknown token, None of sequences, which have none.
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
    own: dict[str, Any] = {name: getattr(rows, name)[chosen] for name in ("starts", "lengths", "targets")}
    return replace(rows, **own)
