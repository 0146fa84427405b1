"""Does a committee keep on fresh rows what it promises on validation, and what do bags and steps do to that?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.row import Row, at_least, explains
from tuner.scoring.blocks import halves, single_rows
from tuner.scoring.committee import RULES, choose_committee, cross_fitted_score, mean_probabilities
from tuner.scoring.f1 import macro_f1
from tuner.scoring.indicator import Indicator
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.space.task import Task

REPEATS = 40
FRESH_ROWS = 4_000

Reals = NDArray[np.float64]
Choose = Callable[["Library"], Sequence[int]]


@dataclass(frozen=True)
class Scene:
    """What a search leaves: models of `rows` validation rows.

    A model's log-odds are the true ones plus errors, whose standard deviations are `shared` (by all models, from the training
    rows) and from `least_own` to `most_own` (a model's own, the same for good and bad rows).
    """

    task: Task
    rows: int
    models: int
    labels: int = 8
    shared: float = 0.7
    least_own: float = 0.6
    most_own: float = 0.9
    poor: int = 0
    """Models that have hardly learnt, in place of as many of the others."""


SCENES: Mapping[str, Scene] = {
    "8 labels, 400 rows, 12 models": Scene("multilabel", 400, 12),
    "8 labels, 2,000 rows, 12 models": Scene("multilabel", 2000, 12),
    "20 labels, 1,000 rows, 15 models of all qualities": Scene("multilabel", 1000, 15, labels=20, most_own=2.5),
    "6 classes, 300 rows, 25 models of all qualities": Scene("multiclass", 300, 25, labels=6, most_own=2.5),
    "40 classes, 800 rows, 12 models": Scene("multiclass", 800, 12, labels=40),
    "8 labels, 800 rows, 3 good models and 12 poor ones": Scene("multilabel", 800, 15, poor=12),
    "two classes, 400 rows, 25 models of all qualities": Scene("binary", 400, 25, labels=2, most_own=2.5),
}


@dataclass(frozen=True)
class Library:
    """One simulated search: each model's probabilities of validation and of fresh rows, and the truth of both."""

    task: Task
    models: tuple[Reals, ...]
    truth: Indicator
    parts: NDArray[np.int64]
    fresh_models: tuple[Reals, ...]
    fresh_truth: Indicator

    def on_fresh(self, counts: Sequence[int]) -> float:
        """Return the macro-F1 of a committee on fresh rows, with thresholds that validation gives."""
        known, fresh = (mean_probabilities(zip(counts, each, strict=True)) for each in (self.models, self.fresh_models))
        thresholds = fit_thresholds(known, self.truth, self.task)
        return macro_f1(decide(fresh, thresholds, self.task), self.fresh_truth)

    def scores(self) -> list[float]:
        """Return the cross-fitted validation score of each model."""
        return [cross_fitted_score(each, self.truth, self.task, parts=self.parts) for each in self.models]


def make_library(scene: Scene, generator: np.random.Generator, *, fresh_rows: int = FRESH_ROWS) -> Library:
    """Draw labels, and models that see them through their errors."""
    rows = scene.rows + fresh_rows
    columns = 1 if scene.task == "binary" else scene.labels
    prevalence = np.linspace(-3.0, -0.5, columns) if scene.task == "multilabel" else generator.normal(0, 0.7, columns)
    odds = 1.8 * generator.normal(size=(rows, columns)) + prevalence
    truth = _draw(odds, scene.task, generator)
    shared = odds + scene.shared * generator.normal(size=odds.shape)
    own = generator.uniform(scene.least_own, scene.most_own, scene.models)
    own[: scene.poor] = generator.uniform(2.5, 4.0, scene.poor)
    models = []
    for error in own.tolist():
        seen = shared + error * generator.normal(size=odds.shape) + 0.2 * generator.normal(size=columns)
        models.append(_probabilities(seen * 2 / (2 + error), scene.task))
    split = scene.rows
    return Library(
        scene.task,
        tuple(each[:split] for each in models),
        truth[:split],
        halves(truth[:split], single_rows(split)),
        tuple(each[split:] for each in models),
        truth[split:],
    )


def _draw(odds: Reals, task: Task, generator: np.random.Generator) -> Indicator:
    if task == "multiclass":
        drawn = (odds + generator.gumbel(size=odds.shape)).argmax(axis=1)
        return np.asarray(drawn[:, None] == np.arange(odds.shape[1]))
    is_true = generator.random(odds.shape) < _probabilities(odds, "multilabel")
    return np.hstack([~is_true, is_true]) if task == "binary" else is_true


def _probabilities(odds: Reals, task: Task) -> Reals:
    if task == "multiclass":
        grown = np.exp(odds - odds.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))
    positive = 1 / (1 + np.exp(-odds))
    return np.hstack([1 - positive, positive]) if task == "binary" else positive


def by_rules(**changes: float) -> Choose:
    """Choose as tuner does, with some rules changed."""
    rules = replace(RULES, **changes)  # type: ignore[arg-type]
    return lambda library: choose_committee(
        library.models, library.truth, library.task, parts=library.parts, seed=0, rules=rules
    )


def best(count: int) -> Choose:
    """Choose the models with the best scores, each once."""

    def choose(library: Library) -> Sequence[int]:
        first = np.argsort(-np.array(library.scores()))[:count]
        return [int(number in first) for number in range(len(library.models))]

    return choose


def without_idle(library: Library, counts: Sequence[int]) -> Sequence[int]:
    """Leave out one member after the other, as long as the validation score does not fall."""

    def score(chosen: Sequence[int]) -> float:
        mean = mean_probabilities(zip(chosen, library.models, strict=True))
        return cross_fitted_score(mean, library.truth, library.task, parts=library.parts)

    while np.count_nonzero(counts) > 1:
        fewer = [[*counts[:number], 0, *counts[number + 1 :]] for number in np.flatnonzero(counts).tolist()]
        best_rest = max(fewer, key=score)
        if score(best_rest) < score(counts):
            break
        counts = best_rest
    return counts


CHOICES: Mapping[str, Choose] = {
    "tuner's rule": by_rules(),
    "best single": best(1),
    "best three": best(3),
    "best eight": best(8),
    "one bag of all models": by_rules(bags=1, share=1.0, start=1, steps=20),
    "twice the steps": by_rules(steps=8),
    "begins with one model": by_rules(start=1),
    "half of the models in a bag": by_rules(share=0.5),
    "five members": by_rules(members=5),
    "members that add nothing leave": lambda library: without_idle(library, by_rules()(library)),
}


def measure() -> list[Row]:
    """Compare tuner's rule with others, scene by scene: the mean macro-F1 on fresh rows over REPEATS simulated searches."""
    rows: list[Row] = []
    for name, scene in SCENES.items():
        generator = np.random.default_rng(0)
        reached: dict[str, list[float]] = {choice: [] for choice in CHOICES}
        for _ in range(REPEATS):
            library = make_library(scene, generator)
            for choice, choose in CHOICES.items():
                reached[choice].append(library.on_fresh(choose(library)))
        ours = np.array(reached.pop("tuner's rule"))
        detail = f"mean {ours.mean():.4f}, {REPEATS} repeats"
        single = ours - reached["best single"]
        rows.append(
            at_least(f"{name}: ahead of the best single model", 0.005, float(single.mean()), "macro-F1", detail)
        )
        for choice, values in reached.items():
            ahead = ours - values
            error = f"standard error {ahead.std() / math.sqrt(REPEATS):.4f}"
            rows.append(explains(f"{name}: ahead of {choice}", float(ahead.mean()), "macro-F1", error))
    return rows
