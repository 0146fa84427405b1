"""Details about the champion: predictions, confusion, worst errors, and how much its score owes to the choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite, isnan, sqrt
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.baselines.baseline import Decided
from tuner.data.dataset import Dataset, Split
from tuner.data.sequences import Sequences
from tuner.data.token_lists import show_row
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
from tuner.space.task import Task

Curve = Sequence[tuple[float, float]]

MOST_WRONG = 30
"""Rows in the list of worst errors."""
EXCERPT = 200
"""Characters of a text in that list."""
_NINE_IN_TEN = 0.95  # on each side
_CLOSE = 1e-9  # epochs are quotients, so allow for rounding
_AT_HALF = ("precision", "recall", "f1", "decision_rate")
_LEAST_PROBABILITY = 1e-7  # a probability of 0 would have an infinite loss


def labels_at_half(
    probabilities: Reals, truth: Indicator, task: Task, labels: Sequence[str]
) -> list[dict[str, Any]] | None:
    """Return each label's measures with every threshold at 0.5; None in multi-class, which has no thresholds."""
    if task == "multiclass":
        return None
    halves = np.full(len(labels) if task == "multilabel" else 1, 0.5)
    rows = measure(decide(probabilities, halves, task), truth, task).labels
    return [{"label": labels[row.label], **{name: getattr(row, name) for name in _AT_HALF}} for row in rows]


def thresholds_by_label(thresholds: Reals, task: Task) -> list[float | None] | None:
    """Return the lowest probability at which each label is predicted, None for a label that never is; None in multi-class.

    In binary the negative class gets 1 minus the threshold; its probability must be above that.
    """
    if task == "multiclass":
        return None
    values = thresholds if task == "multilabel" else np.array([1 - thresholds[0], thresholds[0]])
    return [value if np.isfinite(value) else None for value in values.tolist()]


def confusion(decisions: Indicator, truth: Indicator, task: Task) -> list[list[int]] | None:
    """Count the rows of each class (outer list) that were predicted as each class (inner list); None in multi-label."""
    if task == "multilabel":
        return None
    counts: list[list[int]] = (truth.T.astype(np.int64) @ decisions.astype(np.int64)).tolist()
    return counts


def most_wrong(decided: Decided, truth: Indicator, split: Split, dataset: Dataset) -> list[dict[str, Any]]:
    """Return the wrong rows with the highest loss, highest first, at most MOST_WRONG.

    The loss is the cross-entropy of the row's class; in multi-label it is the mean over labels.
    """
    assert decided.probabilities is not None  # every champion has them
    losses = row_losses(decided.probabilities, truth, dataset.task)
    is_wrong = (decided.decisions != truth).any(axis=1)
    order = np.argsort(np.where(is_wrong, -losses, np.inf), kind="stable")
    return [
        {
            "row": int(split.rows[place]),
            "excerpt": None if isinstance(split.inputs, Sequences) else show_row(split.inputs[place])[:EXCERPT],
            "truth": [dataset.labels[label] for label in np.flatnonzero(truth[place])],
            "decided": [dataset.labels[label] for label in np.flatnonzero(decided.decisions[place])],
            "loss": float(losses[place]),
        }
        for place in order[: min(MOST_WRONG, int(is_wrong.sum()))].tolist()
    ]


def row_losses(probabilities: Reals, truth: Indicator, task: Task) -> Reals:
    """Return the cross-entropy of each row, shape (rows,). Probabilities below 1e-7 count as 1e-7."""
    clipped = np.clip(np.where(truth, probabilities, 1 - probabilities), _LEAST_PROBABILITY, 1)
    losses = -np.log(clipped)
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
    trial: int, curves: Mapping[int, Curve], runs: Mapping[int, Sequence[int]], *, repeats: Sequence[int] = ()
) -> dict[str, Any] | None:
    """Compare a search trial's score with the scores of its configuration's runs with other seeds, after equal training.

    `runs` has the numbers of each finalist's runs, by the search trial that they repeat. `repeats` has the search trials of
    the same configuration, this one among them. Their mean counts, because the best of several is lucky. Each score is the
    best one up to the number of epochs that all of them and all runs reached. `range` is where nine of ten further runs
    would lie, with the spread over seeds as in `lower_bounds`. It is None if no finalist has a second run. All scores are
    on the validation rows that chose the trials, so they do not show how much they owe to that choice. Return None without
    such runs.
    """
    searched = repeats or [trial]
    trial = next((each for each in searched if runs.get(each)), trial)
    numbers_compared = [*searched, *runs.get(trial, ())]
    if not runs.get(trial) or not all(curves.get(number) for number in numbers_compared):
        return None
    epochs = min(curves[number][-1][0] for number in numbers_compared)
    scores = {
        parent: [best for number in numbers if (best := _best_by(curves.get(number, ()), epochs)) is not None]
        for parent, numbers in runs.items()
    }
    search_scores = [best for number in searched if (best := _best_by(curves[number], epochs)) is not None]
    if not search_scores or not scores[trial]:
        return None
    bound = lower_bounds({parent: known for parent, known in scores.items() if known}, _NINE_IN_TEN)[trial]
    # The mean's lower bound is t * spread / sqrt(seeds) below the mean; for one further run it is t * spread *
    # sqrt(1 + 1 / seeds) below.
    margin = (bound.mean - bound.lower) * sqrt(bound.seeds + 1)
    return {
        "epochs": epochs,
        "search_score": fmean(search_scores),
        **({"search_trials": len(search_scores)} if len(search_scores) > 1 else {}),
        "finalist_scores": scores[trial],
        "range": None if isnan(bound.spread) else [bound.mean - margin, bound.mean + margin],
    }


def _best_by(curve: Curve, epochs: float) -> float | None:
    return max((score for at, score in curve if at <= epochs + _CLOSE), default=None)


def finalist_differences(
    runs: Mapping[int, Sequence[Indicator]], winner: int, truth: Indicator, *, blocks: Blocks, seed: int
) -> list[dict[str, Any]]:
    """Return by how much the winner's macro-F1 on validation exceeds each other finalist's, with 95 % intervals.

    `runs` has each finalist's decisions (rows, labels), one array per seed. `blocks` (rows,) numbers the rows that depend on
    each other. The variance over seeds is pooled over all finalists. With folds, too, all rows count together.
    """
    scores = {trial: np.array([macro_f1(run, truth) for run in repeats]) for trial, repeats in runs.items()}
    freedom = sum(len(values) - 1 for values in scores.values())
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in scores.values())
    rows = []
    for trial in sorted(set(runs) - {winner}):
        difference = difference_of_runs(
            runs[winner],
            runs[trial],
            truth,
            blocks=blocks,
            seed_variance=squares / freedom if freedom else 0.0,
            freedom=freedom,
            seed=seed,
        )
        interval = {"value": difference.value, "low": difference.low, "high": difference.high}
        rows.append({"trial": winner, "other": trial, **interval})
    return rows
