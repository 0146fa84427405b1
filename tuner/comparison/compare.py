"""Two models on the same rows: how far one is ahead of the other, and what was different in how they came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.stratification import linked_rows
from tuner.errors import Fault, UsageError
from tuner.ledger.tables import blocks_of
from tuner.scoring.blocks import Blocks
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator, indicator_from_lists
from tuner.scoring.paired import Pair
from tuner.scoring.paired import pair as pair_up
from tuner.scoring.penalty import constant_penalty_from_counts
from tuner.scoring.resampling import Counts
from tuner.space.settings import Task

LABEL_COLUMNS = ("label", "support", "a_f1", "b_f1", "difference", "low", "high", "told_apart")
"""Columns of a row per label, in the order in which they are shown."""

_MAX_NAMED = 8


@dataclass(frozen=True)
class Model:
    """What of a model decides whether it can be compared with another; `told` names it to a person."""

    told: str
    task: Task
    labels: tuple[str, ...]
    penalty_weight: float


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model decided on some rows.

    `rows` (n,) are the row numbers in a source, `blocks` (n,) number those that depend on each other, `truth` and `decisions`
    (n, labels) are bool in the order of the model's labels; `source` is the fingerprint of the source, which tells whether two
    models' row numbers mean the same rows.
    """

    model: Model
    source: str
    rows: NDArray[np.int64]
    blocks: Blocks
    truth: Indicator
    decisions: Indicator


@dataclass(frozen=True, eq=False)
class Paired:
    """Two models' decisions on the same rows, over the labels that both know; `notes` say what was left out."""

    task: Task
    labels: tuple[str, ...]
    truth: Indicator
    a: Indicator
    b: Indicator
    blocks: Blocks
    penalty_weight: float
    notes: tuple[str, ...]


def answers_of_predictions(table: pa.Table, model: Model, source: str) -> Answers:
    """Take the champion's rows out of a run's table of predictions (model, row, truth, decided)."""
    own = table.filter(pc.equal(table["model"], "champion"))
    return Answers(
        model=model,
        source=source,
        rows=own["row"].to_numpy().astype(np.int64),
        blocks=blocks_of(own),
        truth=indicator_from_lists(own["truth"], len(model.labels)),
        decisions=indicator_from_lists(own["decided"], len(model.labels)),
    )


def common_labels(a: Model, b: Model) -> tuple[str, ...]:
    """Return the labels that both models know, in A's order. Raises UsageError where two models cannot be compared."""
    if a.task != b.task:
        told = f"A is {a.task} and B is {b.task}, so a right answer does not mean the same for both"
        raise _refusal(a, b, told, "compare models of one task")
    labels = tuple(label for label in a.labels if label in b.labels)
    if not labels:
        raise _refusal(a, b, "A and B have no label in common", "compare models of the same labels")
    return labels


def pair(a: Answers, b: Answers) -> Paired:
    """Bring two models' answers to the same rows and labels. Raises UsageError where they cannot be compared."""
    labels = common_labels(a.model, b.model)
    in_a, in_b = _common_rows(a, b)
    of_a, of_b = ([side.model.labels.index(label) for label in labels] for side in (a, b))
    truth, other_truth = a.truth[in_a][:, of_a], b.truth[in_b][:, of_b]
    differing = int((truth != other_truth).any(axis=1).sum())
    if differing:
        told = f"{differing:,} of the {len(in_a):,} rows of both have other true labels in A than in B"
        remedy = "compare models that learnt from the same column of labels, or give --data FILE"
        raise _refusal(a.model, b.model, told, remedy)
    is_judged = np.ones(len(truth), dtype=bool) if a.model.task == "multilabel" else truth.any(axis=1)
    if not is_judged.any():
        told, remedy = "no row has a true label that both know", "compare models of the same labels"
        raise _refusal(a.model, b.model, told, remedy)
    notes = _notes_on_rows(a, b, len(in_a), int((~is_judged).sum())) + _notes_on_models(a.model, b.model, labels)
    own, other = a.decisions[in_a][:, of_a], b.decisions[in_b][:, of_b]
    return Paired(
        task=a.model.task,
        labels=labels,
        truth=truth[is_judged],
        a=own[is_judged],
        b=other[is_judged],
        blocks=linked_rows(a.blocks[in_a].tolist(), b.blocks[in_b].tolist())[is_judged],  # what either knows
        penalty_weight=a.model.penalty_weight,
        notes=tuple(notes),
    )


def _common_rows(a: Answers, b: Answers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions in A and in B of the rows that both answered."""
    remedy = "judge both on one labelled file that neither was trained on, with --data FILE"
    if a.source != b.source:
        told = f"their {len(a.rows):,} and {len(b.rows):,} test rows come from files with other contents"
        raise _refusal(a.model, b.model, told, remedy)
    _, in_a, in_b = np.intersect1d(a.rows, b.rows, return_indices=True)
    if not len(in_a):
        told = f"A has {len(a.rows):,} test rows and B {len(b.rows):,}, and none is a test row of both"
        raise _refusal(a.model, b.model, told, remedy)
    return in_a, in_b


def _refusal(a: Model, b: Model, told: str, remedy: str) -> UsageError:
    return UsageError([Fault(f"{a.told} (A) and {b.told} (B)", told, remedy)])


def _notes_on_rows(a: Answers, b: Answers, common: int, unknown: int) -> list[str]:
    notes = []
    alone_a, alone_b = len(a.rows) - common, len(b.rows) - common
    if alone_a or alone_b:
        told = f"their test rows differ: {common:,} are compared, which both have"
        notes.append(f"{told}; {alone_a:,} of A alone and {alone_b:,} of B alone are left out")
    if unknown:
        notes.append(f"{unknown:,} rows are left out, as their true label is not one that both know")
    return notes


def _notes_on_models(a: Model, b: Model, labels: Sequence[str]) -> list[str]:
    notes = []
    for name, own in (("A", a), ("B", b)):
        alone = [label for label in own.labels if label not in labels]
        if alone:
            shown = ", ".join(alone[:_MAX_NAMED]) + (", …" if len(alone) > _MAX_NAMED else "")
            notes.append(f"labels that {name} alone knows, which are left out: {len(alone)} ({shown})")
    if a.penalty_weight != b.penalty_weight:
        weights = f"{a.penalty_weight:g} in A and {b.penalty_weight:g} in B"
        notes.append(f"the penalty weight is {weights}; both scores are told with A's")
    return notes


def compare(paired: Paired, *, seed: int = 0) -> dict[str, Any]:
    """Return the differences B less A as JSON values, each with its 95 % interval for the same rows.

    Keys are conclusion (a sentence), rows, macro_f1 and score (a, b, difference, low, high, told_apart), labels (a row
    each), agreement (rows by who is right) and notes. All intervals come from the same swaps and resamples of rows, so what
    makes a row hard is not counted as a difference between the models: see `tuner.scoring.paired`.
    """
    both = pair_up(paired.b, paired.a, paired.truth, blocks=paired.blocks, seed=seed)
    macro_f1 = _difference(both, lambda counts: counts.macro_f1)
    rows = len(paired.truth)

    def score(counts: Counts) -> Reals:
        penalty = constant_penalty_from_counts(counts.hits, counts.decided, counts.support, counts.rows, paired.task)
        return np.asarray(counts.macro_f1 - paired.penalty_weight * penalty)

    return {
        "conclusion": _conclude(macro_f1, rows),
        "rows": rows,
        "task": paired.task,
        "macro_f1": macro_f1,
        "score": _difference(both, score),
        "labels": _per_label(paired.labels, both),
        "agreement": _agreement(paired),
        "notes": list(paired.notes),
    }


def _difference(both: Pair, measure: Callable[[Counts], Reals]) -> dict[str, Any]:
    b, a = (float(measure(counts)) for counts in both.as_they_are)
    difference, low, high = (float(each) for each in both.difference(measure))
    return {"a": a, "b": b, "difference": difference, "low": low, "high": high, "told_apart": low > 0 or high < 0}


def _per_label(labels: Sequence[str], both: Pair) -> list[dict[str, Any]]:
    """Return a row a label, those with the largest difference first; one without a true row has no difference."""
    b, a = (counts.f1 for counts in both.as_they_are)
    support = both.as_they_are[0].support
    rows = []
    for number, (label, difference, low, high) in enumerate(
        zip(labels, *both.difference(lambda counts: counts.f1), strict=True)
    ):
        found = {"difference": float(difference), "low": float(low), "high": float(high)}
        told = {"a_f1": float(a[number]), "b_f1": float(b[number]), **found, "told_apart": bool(low > 0 or high < 0)}
        known = told if support[number] else dict.fromkeys(told)
        rows.append({"label": label, "support": int(support[number]), **known})
    return sorted(rows, key=lambda row: -abs(row["difference"] or 0.0))


def _agreement(paired: Paired) -> dict[str, int]:
    """Count rows by which of the models has every label of it right."""
    a, b = ((decided == paired.truth).all(axis=1) for decided in (paired.a, paired.b))
    return {
        "both_right": int((a & b).sum()),
        "only_a_right": int((a & ~b).sum()),
        "only_b_right": int((b & ~a).sum()),
        "both_wrong": int((~a & ~b).sum()),
    }


def _conclude(found: Mapping[str, Any], rows: int) -> str:
    """Say in a sentence which model is ahead, by how much, and whether these rows tell them apart."""
    difference, low, high = found["difference"], found["low"], found["high"]
    if difference < 0:
        difference, low, high = -difference, -high, -low
    ahead = "B" if found["difference"] > 0 else "A"
    interval = f"(95 % {_signed(low)} to {_signed(high)})"
    if difference == 0:
        return f"A and B have the same macro-F1 {interval} on {rows:,} rows"
    told = "not told apart on" if not found["told_apart"] else "told apart on"
    return f"{ahead} is ahead by {difference:.3f} macro-F1 {interval}: {told} {rows:,} rows"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
