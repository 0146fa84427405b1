"""Baselines that ignore the inputs: constant rules, and a guess by prevalence."""

from __future__ import annotations

import numpy as np

from tuner.scoring.indicator import Indicator, as_indicator
from tuner.space.task import Task


def constant_rules(train: Indicator, task: Task) -> list[tuple[str, Indicator]]:
    """Return the named rules that decide the same labels (labels,) on every row."""
    n_labels = train.shape[1]
    if task == "multilabel":
        return [("all positive", np.ones(n_labels, dtype=bool)), ("all negative", np.zeros(n_labels, dtype=bool))]
    return [("majority class", np.arange(n_labels) == train.sum(axis=0).argmax())]


def guess_by_prevalence(train: Indicator, rows: int, task: Task, seed: int) -> Indicator:
    """Draw decisions (rows, labels) at random: each label, or one class per row, as often as in the indicator `train`."""
    generator = np.random.default_rng(seed)
    prevalence = train.mean(axis=0)
    if task == "multilabel":
        return np.asarray(generator.random((rows, len(prevalence))) < prevalence)
    return as_indicator(generator.choice(len(prevalence), size=rows, p=prevalence), len(prevalence))
