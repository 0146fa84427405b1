"""What stands beside the champion's measures, so that a person can look behind them: pure functions and tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite, isnan, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.baselines.baseline import Decided
from tuner.data.dataset import Dataset, Split
from tuner.data.sequences import Sequences
from tuner.ledger.rows import measurements_by_trial
from tuner.ledger.run_directory import Ledger
from tuner.ledger.tables import read_parts
from tuner.scoring.blocks import Blocks
from tuner.scoring.bootstrap import difference_of_runs
from tuner.scoring.f1 import Reals, macro_f1
from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import measure
from tuner.scoring.selection import lower_bounds
from tuner.scoring.thresholds import decide
from tuner.space.settings import Task

Curve = Sequence[tuple[float, float]]

MOST_WRONG = 30
EXCERPT = 200
"""Characters of a text that stand in the list of the rows most wrong."""
_NINE_IN_TEN = 0.95  # on either side
_CLOSE = 1e-9  # epochs are quotients
_AT_HALF = ("precision", "recall", "f1", "decision_rate")
_LEAST = 1e-7  # the loss of a probability of 0 would not be finite


def labels_at_half(
    probabilities: Reals, truth: Indicator, task: Task, labels: Sequence[str]
) -> list[dict[str, Any]] | None:
    """Return each label's measures if every threshold were 0.5; None in multi-class, which has no thresholds."""
    if task == "multiclass":
        return None
    halves = np.full(len(labels) if task == "multilabel" else 1, 0.5)
    rows = measure(decide(probabilities, halves, task), truth, task).labels
    return [{"label": labels[row.label], **{name: getattr(row, name) for name in _AT_HALF}} for row in rows]


def thresholds_by_label(thresholds: Reals, task: Task) -> list[float | None] | None:
    """Return the probability from which each label is decided, None for one that never is; None in multi-class.

    In binary the negative class has what is left to 1, which its probability must be above.
    """
    if task == "multiclass":
        return None
    values = thresholds if task == "multilabel" else np.array([1 - thresholds[0], thresholds[0]])
    return [value if np.isfinite(value) else None for value in values.tolist()]


def confusion(decisions: Indicator, truth: Indicator, task: Task) -> list[list[int]] | None:
    """Return how many rows of each class (outer list) were decided as each (inner list); None in multi-label."""
    if task == "multilabel":
        return None
    counts: list[list[int]] = (truth.T.astype(np.int64) @ decisions.astype(np.int64)).tolist()
    return counts


def most_wrong(decided: Decided, truth: Indicator, split: Split, dataset: Dataset) -> list[dict[str, Any]]:
    """Return the wrongly decided rows with the highest loss, highest first: at most 30.

    The loss is the cross-entropy of the row's probabilities: of its class, or in multi-label the mean over labels.
    """
    assert decided.probabilities is not None  # a champion has them
    losses = row_losses(decided.probabilities, truth, dataset.task)
    is_wrong = (decided.decisions != truth).any(axis=1)
    order = np.argsort(np.where(is_wrong, -losses, np.inf), kind="stable")
    return [
        {
            "row": int(split.rows[place]),
            "excerpt": None if isinstance(split.inputs, Sequences) else split.inputs[place][:EXCERPT],
            "truth": [dataset.labels[label] for label in np.flatnonzero(truth[place])],
            "decided": [dataset.labels[label] for label in np.flatnonzero(decided.decisions[place])],
            "loss": float(losses[place]),
        }
        for place in order[: min(MOST_WRONG, int(is_wrong.sum()))].tolist()
    ]


def row_losses(probabilities: Reals, truth: Indicator, task: Task) -> Reals:
    """Return the cross-entropy of each row, shape (rows,), at most that of a probability of 1e-7."""
    given = np.clip(np.where(truth, probabilities, 1 - probabilities), _LEAST, 1)
    losses = -np.log(given)
    return losses.mean(axis=1) if task == "multilabel" else np.asarray(losses[truth])


def curves_of(trials: Collection[int], ledger: Ledger) -> dict[int, Curve]:
    """Return the measurements of some trials that count and have a finite score, as (epochs, score)."""
    ledger.flush()
    measurements = read_parts(ledger.folder, "reports")[0].select(["trial", "examples", "epochs", "score"])
    rows = measurements.filter(pc.is_in(measurements["trial"], pa.array(trials, pa.int64()))).to_pylist()
    return {
        trial: [(row["epochs"], row["score"]) for row in counted if row["score"] is not None and isfinite(row["score"])]
        for trial, counted in measurements_by_trial(rows).items()
    }


def describe_selection(
    trial: int, curves: Mapping[int, Curve], runs: Mapping[int, Sequence[int]]
) -> dict[str, Any] | None:
    """Return what a search trial had scored, beside runs of its configuration with other seeds at the same length of training.

    `runs` has the numbers of every finalist's runs by the search trial that they repeat. A score is that of the best report up
    to the epochs that all of this trial and its runs have. `range` is where nine of ten further runs would lie, with the
    spread over seeds that `lower_bounds` takes, None where no finalist has a second run. All of it is on the validation rows
    that trials were chosen by, so that it does not tell what choosing by these has flattered. None without such runs.
    """
    own = [trial, *runs.get(trial, ())]
    if len(own) == 1 or not all(curves.get(number) for number in own):
        return None
    epochs = min(curves[number][-1][0] for number in own)
    scores = {
        parent: [best for number in numbers if (best := _best_by(curves.get(number, ()), epochs)) is not None]
        for parent, numbers in runs.items()
    }
    search_score = _best_by(curves[trial], epochs)
    if search_score is None or not scores[trial]:
        return None
    bound = lower_bounds({parent: known for parent, known in scores.items() if known}, _NINE_IN_TEN)[trial]
    # The mean's bound is t * spread / sqrt(seeds) below it, that of one further run t * spread * sqrt(1 + 1 / seeds).
    margin = (bound.mean - bound.lower) * sqrt(bound.seeds + 1)
    return {
        "epochs": epochs,
        "search_score": search_score,
        "finalist_scores": scores[trial],
        "range": None if isnan(bound.spread) else [bound.mean - margin, bound.mean + margin],
    }


def _best_by(curve: Curve, epochs: float) -> float | None:
    return max((score for at, score in curve if at <= epochs + _CLOSE), default=None)


def finalist_differences(
    runs: Mapping[int, Sequence[Indicator]], winner: int, truth: Indicator, *, blocks: Blocks, seed: int
) -> list[dict[str, Any]]:
    """Return how far the winner's macro-F1 on validation is above each other finalist's, with 95 % intervals.

    `runs` has each finalist's decisions (rows, labels), one array a seed; `blocks` (rows,) numbers the rows that depend on
    each other. The variance over seeds is pooled over all
    finalists. All rows count together, with folds too.
    """
    scores = {trial: np.array([macro_f1(run, truth) for run in own]) for trial, own in runs.items()}
    freedom = sum(len(values) - 1 for values in scores.values())
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in scores.values())
    rows = []
    for trial in sorted(set(runs) - {winner}):
        found = difference_of_runs(
            runs[winner],
            runs[trial],
            truth,
            blocks=blocks,
            seed_variance=squares / freedom if freedom else 0.0,
            freedom=freedom,
            seed=seed,
        )
        rows.append({"trial": winner, "other": trial, "value": found.value, "low": found.low, "high": found.high})
    return rows
