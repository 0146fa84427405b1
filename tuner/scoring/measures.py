"""All measures of one evaluation: the score, its parts, and further figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.scoring.f1 import (
    Reals,
    chance_macro_f1,
    constant_macro_f1,
    f1_from_counts,
    f1_per_label,
    mean_over_present,
)
from tuner.scoring.indicator import Indicator
from tuner.scoring.penalty import constant_penalty
from tuner.scoring.ranking import (
    Probabilities,
    auc_per_label,
    average_precision_per_label,
    mean_of_known,
    rank_rows,
)
from tuner.space.task import Task

NAMED_AT_MOST = 5
FEWEST_TRUE = 5
"""True rows that a label needs before its F1 is judged. With fewer, a good model may miss them all by chance."""


@dataclass(frozen=True, kw_only=True)
class LabelMeasures:
    """One label's row: `label` is its index, `support` its number of true rows; the rest lies between 0 and 1.

    Precision is 0 if the label is never decided. `auc` and `average_precision` are NaN without probabilities, or if the truth
    has only one class.
    """

    label: int
    support: int
    prevalence: float
    decision_rate: float
    precision: float
    recall: float
    f1: float
    auc: float
    average_precision: float


@dataclass(frozen=True, kw_only=True)
class Measures:
    """One evaluation: `score = macro_f1 - penalty_weight * constant_penalty`, and further figures.

    `skill` is macro-F1 minus `constant_macro_f1`, the macro-F1 of the best constant rule. `above_chance` is macro-F1 minus
    `chance_macro_f1`, the expected macro-F1 of the same decisions dealt to the rows at random. `auc` and `average_precision` are
    means over the labels that have both classes, NaN if unknown. `notes` are sentences for people.
    """

    macro_f1: float
    constant_penalty: float
    score: float
    skill: float
    constant_macro_f1: float
    above_chance: float
    chance_macro_f1: float
    auc: float
    average_precision: float
    labels: tuple[LabelMeasures, ...]
    notes: tuple[str, ...]


def measure(
    decisions: Indicator,
    truth: Indicator,
    task: Task,
    *,
    penalty_weight: float = 1.0,
    probabilities: Probabilities | None = None,
    seen: Indicator | None = None,
    names: Sequence[str] | None = None,
    is_detailed: bool = True,
) -> Measures:
    """Measure decisions against truth, both (rows, labels), and the ranking by probabilities if given.

    `seen` (labels,) says which labels occurred in training; `names` are the labels' names in notes. Without `is_detailed` the
    rows per label and the notes stay empty, which is enough to rank trials.
    """
    n_labels = truth.shape[1]
    auc = average_precision = np.full(n_labels, np.nan)
    if probabilities is not None:
        ranking = rank_rows(probabilities, truth)
        auc, average_precision = auc_per_label(ranking), average_precision_per_label(ranking)
    f1 = f1_per_label(decisions, truth)
    macro = float(mean_over_present(f1, truth.sum(axis=0)))
    penalty = constant_penalty(decisions, truth, task)
    constant, chance = constant_macro_f1(truth, task), chance_macro_f1(decisions, truth)
    rows: tuple[LabelMeasures, ...] = ()
    notes: tuple[str, ...] = ()
    if is_detailed:
        rows = _label_rows(decisions, truth, auc=auc, average_precision=average_precision)
        notes = _notes(truth, task, seen, names or [str(label) for label in range(n_labels)])
    return Measures(
        macro_f1=macro,
        constant_penalty=penalty,
        score=macro - penalty_weight * penalty,
        skill=macro - constant,
        constant_macro_f1=constant,
        above_chance=macro - chance,
        chance_macro_f1=chance,
        auc=mean_of_known(auc),
        average_precision=mean_of_known(average_precision),
        labels=rows,
        notes=notes,
    )


def _label_rows(
    decisions: Indicator, truth: Indicator, *, auc: Reals, average_precision: Reals
) -> tuple[LabelMeasures, ...]:
    support, decided = truth.sum(axis=0), decisions.sum(axis=0)
    hits = (decisions & truth).sum(axis=0)
    columns = {
        "support": support,
        "prevalence": support / len(truth),
        "decision_rate": decided / len(truth),
        "precision": hits / np.maximum(decided, 1),
        "recall": hits / np.maximum(support, 1),
        "f1": f1_from_counts(hits, decided, support),
        "auc": auc,
        "average_precision": average_precision,
    }
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    return tuple(LabelMeasures(label=label, **dict(zip(columns, row, strict=True))) for label, row in enumerate(table))


def _notes(truth: Indicator, task: Task, seen: Indicator | None, names: Sequence[str]) -> tuple[str, ...]:
    is_absent, is_everywhere = ~truth.any(axis=0), truth.all(axis=0)
    is_learnt = np.ones_like(is_absent) if seen is None else seen
    is_rare = is_learnt & ~is_absent & ~is_everywhere & (truth.sum(axis=0) < FEWEST_TRUE)
    rules = [
        (is_absent, "no true row in this split: left out of macro-F1 and of the constant penalty"),
        (is_everywhere, "true on every row of this split: left out of the constant penalty"),
        (is_rare, f"fewer than {FEWEST_TRUE} true rows in this split: F1 there is largely chance"),
    ]
    if seen is not None:
        rules.append((~seen & ~is_absent, "never seen in training: counted with F1 0"))
    if task != "multilabel":
        rules[0] = (is_absent, "no true row in this split: left out of macro-F1")
    return tuple(
        f"{_listed([names[label] for label in np.flatnonzero(which).tolist()])}: {what}"
        for which, what in rules
        if which.any()
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
