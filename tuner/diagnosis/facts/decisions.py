"""Facts about decisions, from the decisions themselves or from recorded measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.diagnosis.facts.evidence import DecisionFacts, LabelFacts
from tuner.pruners.gate import logit_spread
from tuner.scoring.blocks import Blocks, blocks_by_label, halves
from tuner.scoring.bootstrap import intervals
from tuner.scoring.f1 import constant_macro_f1, f1_per_label, macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import LabelMeasures, measure
from tuner.scoring.ranking import Probabilities
from tuner.scoring.signal import auc_error
from tuner.scoring.thresholds import cross_fitted_decisions
from tuner.space.task import Task

_FEWEST_TO_FIT = 4  # positive and negative rows, two in each half; fewer cannot fit a threshold


def decision_facts(
    decisions: Indicator,
    probabilities: Probabilities | None,
    truth: Indicator,
    *,
    task: Task,
    labels: Sequence[str],
    blocks: Blocks,
    train_rows: Mapping[str, int] | None = None,
) -> DecisionFacts:
    """Measure decisions against the truth, both bool (rows, labels), and probabilities of that shape if known.

    Rows with the same number in `blocks` (rows,) depend on each other. Without probabilities, the facts about rankings,
    spreads and fitted thresholds are None.
    """
    measures = measure(decisions, truth, task, probabilities=probabilities, names=labels)
    bounds = intervals(decisions, truth, task, blocks=blocks, seed=0)
    fitted = None if probabilities is None else _fitted(probabilities, truth, task, blocks)
    return DecisionFacts(
        rows=len(truth),
        labels=tuple(
            _label_facts(row, labels[row.label], decisions, probabilities, fitted, truth, train_rows or {})
            for row in measures.labels
        ),
        macro_f1=measures.macro_f1,
        constant_penalty=measures.constant_penalty,
        skill=measures.skill,
        skill_low=bounds.skill.low,
        skill_high=bounds.skill.high,
        chance_skill=_chance_skill(truth, task),
        fitted_macro_f1=None if fitted is None else macro_f1(fitted, truth),
        auc=_known(measures.auc),
        auc_margin=2 * (auc_error(*blocks_by_label(truth, blocks), task) or 0.0),
        average_precision=_known(measures.average_precision),
        logit_spread=None if probabilities is None else logit_spread(probabilities, truth),
        probability_spread=None if probabilities is None else float(probabilities.std(axis=0).mean()),
    )


def recorded_decision_facts(measures: Mapping[str, Any], profile: Mapping[str, Any]) -> DecisionFacts:
    """Return the facts in the measures that champion.json or a bundle records; the rows themselves are not known."""
    train_rows = profile["splits"]["train"]["labels"] if profile else {}
    skill = measures.get("skill_ci") or [None, None]
    names = ("support", "prevalence", "decision_rate", "f1", "auc", "average_precision")
    return DecisionFacts(
        rows=measures["rows"],
        labels=tuple(
            LabelFacts(
                name=row["label"], **{name: row[name] for name in names}, train_rows=train_rows.get(row["label"])
            )
            for row in measures["labels"]
        ),
        macro_f1=measures["macro_f1"],
        constant_penalty=measures["constant_penalty"],
        skill=measures["skill"],
        skill_low=skill[0],
        skill_high=skill[1],
        auc=measures.get("auc"),
        average_precision=measures.get("average_precision"),
    )


def decide_plainly(probabilities: Probabilities, task: Task) -> Indicator:
    """Decide as most programs do: probability 0.5 and above, or the most probable label. Returns (rows, labels)."""
    if task == "multilabel":
        return np.asarray(probabilities >= 0.5)
    return as_indicator(probabilities.argmax(axis=1), probabilities.shape[1])


def _chance_skill(truth: Indicator, task: Task) -> float:
    """Return the skill of a guess by prevalence. It gets F1 = prevalence per label, so the mean over k classes is 1 / k."""
    present = int(truth.any(axis=0).sum())
    return 0.0 if task == "multilabel" else max(0.0, 1 / present - constant_macro_f1(truth, task))


def _fitted(probabilities: Probabilities, truth: Indicator, task: Task, blocks: Blocks) -> Indicator | None:
    if task == "multiclass":
        return decide_plainly(probabilities, task)
    fewest = np.minimum(truth.sum(axis=0), (~truth).sum(axis=0))
    if (fewest.max() if task == "multilabel" else fewest.min()) < _FEWEST_TO_FIT:
        return None
    return cross_fitted_decisions(probabilities, truth, task, parts=halves(truth, blocks))


def _label_facts(
    row: LabelMeasures,
    name: str,
    decisions: Indicator,
    probabilities: Probabilities | None,
    fitted: Indicator | None,
    truth: Indicator,
    train_rows: Mapping[str, int],
) -> LabelFacts:
    decided = decisions[:, row.label]
    column = None if probabilities is None else probabilities[:, row.label]
    return LabelFacts(
        name=name,
        support=row.support,
        prevalence=row.prevalence,
        decision_rate=row.decision_rate,
        f1=row.f1,
        auc=_known(row.auc),
        average_precision=_known(row.average_precision),
        fitted_f1=None if fitted is None else float(f1_per_label(fitted, truth)[row.label]),
        mean_probability=None if column is None else float(column.mean()),
        highest_undecided=None if column is None or decided.all() else float(column[~decided].max()),
        lowest_decided=None if column is None or not decided.any() else float(column[decided].min()),
        train_rows=train_rows.get(name),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
