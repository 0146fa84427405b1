"""Compare two models on the same rows: how far one is ahead of the other, and how certain that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.stratification import linked_rows
from tuner.errors import Fault, UsageError
from tuner.ledger.predictions import CHAMPION, predictions_of
from tuner.scoring.blocks import Blocks
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator
from tuner.scoring.paired import Pair
from tuner.scoring.paired import pair as pair_up
from tuner.scoring.penalty import constant_penalty_from_counts
from tuner.scoring.resampling import Counts
from tuner.show_value import show_count
from tuner.space.task import Task

LABEL_COLUMNS = ("label", "support", "a_f1", "b_f1", "difference", "low", "high", "told_apart")
"""Columns of a row per label, in the order in which they are shown."""

_MOST_NAMED = 8


@dataclass(frozen=True)
class ModelTask:
    """The facts that decide whether two models can be compared. Messages call the model `name`."""

    name: str
    task: Task
    labels: tuple[str, ...]
    penalty_weight: float


@dataclass(frozen=True, eq=False)
class DecidedRows:
    """The decisions of a model on some rows.

    `rows` (n,) are row numbers in a source, and `blocks` (n,) number the rows that depend on each other. `truth` and
    `decisions` are bool (n, labels), in the order of the model's labels. `source` is the fingerprint of the source: two
    models' row numbers mean the same rows only if it is the same.
    """

    model: ModelTask
    source: str
    rows: NDArray[np.int64]
    blocks: Blocks
    truth: Indicator
    decisions: Indicator


@dataclass(frozen=True, eq=False)
class CommonRows:
    """Two models' decisions on the same rows, for the labels that both know. `notes` say what was left out."""

    task: Task
    labels: tuple[str, ...]
    truth: Indicator
    a: Indicator
    b: Indicator
    blocks: Blocks
    penalty_weight: float
    notes: tuple[str, ...]


def champion_rows(table: pa.Table, model: ModelTask, source: str) -> DecidedRows:
    """Return the champion's rows of a run's table of predictions."""
    champion = predictions_of(CHAMPION, table, len(model.labels))
    return DecidedRows(
        model=model,
        source=source,
        rows=champion.rows,
        blocks=champion.blocks,
        truth=champion.truth,
        decisions=champion.decisions,
    )


def common_labels(a: ModelTask, b: ModelTask) -> tuple[str, ...]:
    """Return the labels that both models know, in A's order. Raises UsageError if the models cannot be compared."""
    if a.task != b.task:
        what = f"A is {a.task} and B is {b.task}, so their right answers mean different things"
        raise _refusal(a, b, what, "compare models with the same task")
    labels = tuple(label for label in a.labels if label in b.labels)
    if not labels:
        raise _refusal(a, b, "A and B have no label in common", "compare models with the same labels")
    return labels


def match_rows(a: DecidedRows, b: DecidedRows) -> CommonRows:
    """Reduce two models' decisions to the rows and labels that both have. Raises UsageError if they cannot be compared."""
    labels = common_labels(a.model, b.model)
    in_a, in_b = _common_places(a, b)
    of_a, of_b = ([decided.model.labels.index(label) for label in labels] for decided in (a, b))
    truth, other_truth = a.truth[in_a][:, of_a], b.truth[in_b][:, of_b]
    differing = int((truth != other_truth).any(axis=1).sum())
    if differing:
        what = f"{differing:,} of the {len(in_a):,} rows in common have different true labels in A and B"
        remedy = "compare models that were trained on the same column of labels, or give --data FILE"
        raise _refusal(a.model, b.model, what, remedy)
    is_judged = np.ones(len(truth), dtype=bool) if a.model.task == "multilabel" else truth.any(axis=1)
    if not is_judged.any():
        what, remedy = "no row has a true label that both models know", "compare models with the same labels"
        raise _refusal(a.model, b.model, what, remedy)
    notes = _notes_on_rows(a, b, len(in_a), int((~is_judged).sum())) + _notes_on_models(a.model, b.model, labels)
    return CommonRows(
        task=a.model.task,
        labels=labels,
        truth=truth[is_judged],
        a=a.decisions[in_a][:, of_a][is_judged],
        b=b.decisions[in_b][:, of_b][is_judged],
        # Rows that depend on each other in either run count as one block.
        blocks=linked_rows(a.blocks[in_a].tolist(), b.blocks[in_b].tolist())[is_judged],
        penalty_weight=a.model.penalty_weight,
        notes=tuple(notes),
    )


def _common_places(a: DecidedRows, b: DecidedRows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions in A and in B of the rows that both decided."""
    remedy = "give --data FILE, a labelled file that neither model was trained on"
    if a.source != b.source:
        what = f"their {len(a.rows):,} and {len(b.rows):,} test rows come from files with different contents"
        raise _refusal(a.model, b.model, what, remedy)
    _, in_a, in_b = np.intersect1d(a.rows, b.rows, return_indices=True)
    if not len(in_a):
        what = f"A has {len(a.rows):,} test rows and B has {len(b.rows):,}, but none in common"
        raise _refusal(a.model, b.model, what, remedy)
    return in_a, in_b


def _refusal(a: ModelTask, b: ModelTask, what: str, remedy: str) -> UsageError:
    return UsageError([Fault(f"{a.name} (A) and {b.name} (B)", what, remedy)])


def _notes_on_rows(a: DecidedRows, b: DecidedRows, common: int, unknown: int) -> list[str]:
    notes = []
    only_a, only_b = len(a.rows) - common, len(b.rows) - common
    if only_a or only_b:
        notes.append(
            f"their test rows differ: the comparison uses the {common:,} rows in common and leaves out {only_a:,} of A "
            f"and {only_b:,} of B"
        )
    if unknown:
        notes.append(f"{unknown:,} rows are left out because only one model knows their true label")
    return notes


def _notes_on_models(a: ModelTask, b: ModelTask, labels: Sequence[str]) -> list[str]:
    notes = []
    for name, model in (("A", a), ("B", b)):
        unshared = [label for label in model.labels if label not in labels]
        if unshared:
            names = ", ".join(unshared[:_MOST_NAMED]) + (", …" if len(unshared) > _MOST_NAMED else "")
            notes.append(f"labels that only {name} knows are left out: {len(unshared)} ({names})")
    if a.penalty_weight != b.penalty_weight:
        weights = f"{a.penalty_weight:g} in A and {b.penalty_weight:g} in B"
        notes.append(f"the penalty weight is {weights}; both scores use the weight of A")
    return notes


def compare(common: CommonRows, *, seed: int = 0) -> dict[str, Any]:
    """Return the differences B minus A as JSON values, each with a 95 % interval from the same rows.

    Keys are conclusion (a sentence), rows, task, macro_f1 and score (a, b, difference, low, high, told_apart), labels (a row
    each), agreement (rows by which model is right) and notes. All intervals come from the same swaps and resamples of rows.
    So rows that are hard for both models do not count as a difference: see `tuner.scoring.paired`.
    """
    pair = pair_up(common.b, common.a, common.truth, blocks=common.blocks, seed=seed)
    macro_f1 = _difference(pair, lambda counts: counts.macro_f1)
    rows = len(common.truth)

    def score(counts: Counts) -> Reals:
        penalty = constant_penalty_from_counts(counts.hits, counts.decided, counts.support, counts.rows, common.task)
        return np.asarray(counts.macro_f1 - common.penalty_weight * penalty)

    return {
        "conclusion": _conclude(macro_f1, rows),
        "rows": rows,
        "task": common.task,
        "macro_f1": macro_f1,
        "score": _difference(pair, score),
        "labels": _per_label(common.labels, pair),
        "agreement": _agreement(common),
        "notes": list(common.notes),
    }


def _difference(pair: Pair, measure: Callable[[Counts], Reals]) -> dict[str, Any]:
    b, a = (float(measure(counts)) for counts in pair.as_they_are)
    difference, low, high = map(float, pair.difference(measure))
    return {"a": a, "b": b, "difference": difference, "low": low, "high": high, "told_apart": low > 0 or high < 0}


def _per_label(labels: Sequence[str], pair: Pair) -> list[dict[str, Any]]:
    """Return a row for each label, the largest difference first; a label without a true row has no difference."""
    b, a = (counts.f1 for counts in pair.as_they_are)
    support = pair.as_they_are[0].support
    rows = []
    for number, (label, difference, low, high) in enumerate(
        zip(labels, *pair.difference(lambda counts: counts.f1), strict=True)
    ):
        interval = {"difference": float(difference), "low": float(low), "high": float(high)}
        told_apart = bool(low > 0 or high < 0)
        measured = {"a_f1": float(a[number]), "b_f1": float(b[number]), **interval, "told_apart": told_apart}
        values = measured if support[number] else dict.fromkeys(measured)
        rows.append({"label": label, "support": int(support[number]), **values})
    return sorted(rows, key=lambda row: -abs(row["difference"] or 0.0))


def _agreement(common: CommonRows) -> dict[str, int]:
    """Count rows by which of the models has all labels right."""
    a, b = ((decided == common.truth).all(axis=1) for decided in (common.a, common.b))
    return {
        "both_right": int((a & b).sum()),
        "only_a_right": int((a & ~b).sum()),
        "only_b_right": int((b & ~a).sum()),
        "both_wrong": int((~a & ~b).sum()),
    }


def _conclude(macro_f1: Mapping[str, Any], rows: int) -> str:
    """Say in a sentence which model is ahead, by how much, and whether the difference is clear on these rows."""
    difference, low, high = macro_f1["difference"], macro_f1["low"], macro_f1["high"]
    if difference < 0:
        difference, low, high = -difference, -high, -low
    ahead = "B" if macro_f1["difference"] > 0 else "A"
    interval = f"(95 % {_signed(low)} to {_signed(high)})"
    if difference == 0:
        return f"A and B have the same macro-F1 {interval} on {show_count(rows, 'row')}"
    verdict = "clear" if macro_f1["told_apart"] else "not clear"
    return f"{ahead} is ahead by {difference:.3f} macro-F1 {interval}: the difference is {verdict} on {show_count(rows, 'row')}"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
