"""Which kept model becomes the champion."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trust.champion import RULES, make_search, mean_quality
from tuner.pruners.gate import Health
from tuner.search.choice import Candidate, choose


def candidate(trial: int, score: float, repeats: int | None = None, health: Health = "healthy") -> Candidate:
    return Candidate(trial=trial, repeats=repeats, score=score, health=health)


def chosen(*candidates: Candidate) -> int | None:
    choice = choose(candidates)
    return None if choice is None else choice.champion.trial


def test_the_finalist_with_the_best_bound_wins_and_its_best_run_is_handed_over() -> None:
    runs = [candidate(5, 0.3, 1), candidate(6, 0.72, 1), candidate(7, 0.6, 2), candidate(8, 0.61, 2)]
    assert chosen(*runs) == 8
    assert chosen(*runs, candidate(1, 0.6)) == 8


def test_a_better_search_trial_takes_its_place() -> None:
    assert chosen(candidate(5, 0.672, 1), candidate(6, 0.66, 1), candidate(1, 0.777)) == 1


@pytest.mark.parametrize("kind", [None, 1])
def test_a_collapsed_model_is_never_chosen_before_a_healthy_one_nor_without_one(kind: int | None) -> None:
    collapsed = candidate(9, 0.9, kind, "collapsed")
    assert chosen(collapsed, candidate(3, 0.1)) == 3
    assert chosen(collapsed, candidate(3, 0.1, 2)) == 3
    assert chosen(collapsed, candidate(3, -0.1, 2, "doubtful")) == 3
    assert chosen(collapsed) is None
    assert chosen() is None


def test_a_doubtful_model_gives_way_to_a_healthy_one() -> None:
    assert chosen(candidate(4, 0.6, 1, "doubtful"), candidate(3, 0.2)) == 3


def test_a_collapsed_run_is_left_out_of_its_finalists_bound() -> None:
    choice = choose(
        [candidate(4, 0.6, 1), candidate(5, -0.8, 1, "collapsed"), candidate(6, 0.5, 2), candidate(7, 0.5, 2)]
    )
    assert choice is not None
    assert choice.champion.trial == 4
    assert {parent: bound.seeds for parent, bound in choice.bounds.items()} == {1: 1, 2: 2}


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_rule_chooses_models_as_good_as_any_other_rule_does(share: float) -> None:
    generator = np.random.default_rng(0)
    made = [make_search(generator, noise=(0.015, 0.015), share=share) for _ in range(300)]
    quality = {name: mean_quality(made, pick) for name, pick in RULES.items()}
    assert quality["tuner's rule"] >= max(quality.values()) - 0.005
    assert quality["tuner's rule"] >= quality["finalists only"]
    if share < 1:
        assert quality["tuner's rule"] > quality["finalists only"] + 0.1
