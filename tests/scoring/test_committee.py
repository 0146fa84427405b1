"""The choice of a committee: properties that hold for every task, and the fast scores it is made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.trust.committee import Scene, by_rules, make_library
from tuner.scoring.committee import Rules, choose_committee, cross_fitted_score, mean_probabilities
from tuner.scoring.committee_tables import make_tables
from tuner.scoring.indicator import Indicator
from tuner.space.task import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
QUICK = Rules(bags=4)


@dataclass(frozen=True)
class Case:
    """Some models of a task, with or without folds and labels that training has not seen."""

    task: Task
    models: Sequence[NDArray[np.float64]]
    truth: Indicator
    parts: NDArray[np.int64]
    seen: Indicator
    penalty_weight: float

    def choose(self, models: Sequence[NDArray[np.float64]] | None = None) -> tuple[int, ...]:
        return choose_committee(
            self.models if models is None else models,
            self.truth,
            self.task,
            parts=self.parts,
            seen=self.seen,
            penalty_weight=self.penalty_weight,
            seed=0,
            rules=QUICK,
        )

    def score(self, probabilities: NDArray[np.float64]) -> float:
        more = {"parts": self.parts, "seen": self.seen, "penalty_weight": self.penalty_weight}
        return cross_fitted_score(probabilities, self.truth, self.task, **more)  # type: ignore[arg-type]


def mean_of(counts: Sequence[int], models: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return mean_probabilities(zip(counts, models, strict=True))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    task = draw(st.sampled_from(TASKS))
    scene = Scene(
        task, rows=draw(st.integers(6, 40)), models=draw(st.integers(2, 6)), labels=2 if task == "binary" else 4
    )
    library = make_library(scene, np.random.default_rng(draw(st.integers(0, 1000))), fresh_rows=1)
    seen = np.ones(scene.labels, bool)
    seen[-1] = task == "binary" or draw(st.booleans())
    parts = np.arange(scene.rows) % draw(st.sampled_from((2, 3)))
    return Case(task, library.models, library.truth, parts, seen, draw(st.sampled_from((0.0, 1.0))))


@settings(max_examples=30)
@given(cases())
def test_a_committee_never_scores_below_the_best_model_on_the_rows_it_was_chosen_by(case: Case) -> None:
    best = max(map(case.score, case.models))
    assert case.score(mean_of(case.choose(), case.models)) >= best


@settings(max_examples=15)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_models_does_not_matter(case: Case, random: st.Random) -> None:
    order = list(range(len(case.models)))
    random.shuffle(order)
    counts, again = case.choose(), case.choose([case.models[number] for number in order])
    assert again == tuple(counts[number] for number in order)


@settings(max_examples=15)
@given(cases())
def test_copies_of_a_model_change_nothing(case: Case) -> None:
    models = [*case.models, case.models[0], case.models[1]]
    assert mean_of(case.choose(models), models) == pytest.approx(mean_of(case.choose(), case.models))


@pytest.mark.parametrize("task", TASKS)
def test_one_model_is_a_committee_of_its_own_however_often_it_is_there(task: Task) -> None:
    scene = Scene(task, rows=20, models=1, labels=2 if task == "binary" else 3)
    library = make_library(scene, np.random.default_rng(0), fresh_rows=1)
    case = Case(task, library.models, library.truth, library.parts, np.ones(scene.labels, bool), 1.0)
    assert case.choose() == (1,)
    assert case.choose([*case.models, *case.models]) == (1, 0)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("penalty_weight", [0.0, 1.0])
def test_the_fast_score_is_close_to_the_exact_one(task: Task, penalty_weight: float) -> None:
    scene = Scene(task, rows=600, models=6, labels=2 if task == "binary" else 6)
    library = make_library(scene, np.random.default_rng(1), fresh_rows=1)
    seen = np.ones(scene.labels, bool)
    case = Case(task, library.models, library.truth, library.parts, seen, penalty_weight)
    tables = make_tables(case.models, case.truth, task, case.parts, seen, penalty_weight)
    for counts in ((1, 0, 0, 0, 0, 0), (0, 2, 0, 1, 0, 0), (1, 1, 1, 1, 1, 1)):
        total = np.sum([count * model for count, model in zip(counts, tables.models, strict=True)], axis=0)
        fast = tables.score(total.astype(np.float32), sum(counts))
        assert fast == pytest.approx(case.score(mean_of(counts, case.models)), abs=0.012)


def test_a_committee_beats_the_best_model_on_fresh_rows() -> None:
    libraries = [
        make_library(Scene("multilabel", rows=400, models=8), np.random.default_rng(seed), fresh_rows=3000)
        for seed in range(3)
    ]
    best = [[int(score == max(library.scores())) for score in library.scores()] for library in libraries]
    gains = [each.on_fresh(by_rules()(each)) - each.on_fresh(best[n]) for n, each in enumerate(libraries)]
    assert np.mean(gains) > 0.006


def test_models_that_have_not_learnt_get_little_weight() -> None:
    scene = Scene("multilabel", rows=400, models=8, poor=4)
    counts = by_rules()(make_library(scene, np.random.default_rng(0), fresh_rows=1))
    assert sum(counts[: scene.poor]) / sum(counts) < 0.25
