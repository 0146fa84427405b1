"""What a search hands over: a single model, a committee or a blend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided
from tuner.baselines.linear import fit_linear
from tuner.data.dataset import Dataset
from tuner.pruners.gate import Health
from tuner.scoring.bootstrap import Interval
from tuner.search.choice import Candidate, choose
from tuner.search.committee_choice import Alternative, CommitteeChoice, CommitteeChooser, pick
from tuner.search.kept_models import KeptModel, measure_held_out
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord


def noisy(dataset: Dataset, seed: int, noise: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities of the validation rows that follow the truth, with errors of their own."""
    truth = dataset.truth("validation")
    odds = 2.0 * truth - 1 + noise * np.random.default_rng(seed).normal(size=truth.shape)
    return 1 / (1 + np.exp(-odds))


def kept(dataset: Dataset, trial: int, probabilities: NDArray[np.float64], health: Health = "healthy") -> KeptModel:
    decisions, measures = measure_held_out(probabilities, dataset, penalty_weight=1.0)
    candidate = Candidate(trial=trial, repeats=None, score=measures["score"], health=health)
    return KeptModel(TrialRecord(Order(trial, "search", {}, 0)), candidate, 1.0, {}, probabilities, decisions)


def baseline(dataset: Dataset, probabilities: NDArray[np.float64]) -> Baseline:
    decided = Decided(measure_held_out(probabilities, dataset, penalty_weight=1.0)[0], probabilities)
    model = fit_linear(dataset.train.inputs, dataset.truth("train"), dataset.task)
    return Baseline("tfidf", "model", decided, decided, 0.1, model=model)


def choose_among(
    dataset: Dataset, models: Sequence[KeptModel], baselines: Sequence[Baseline] = (), asked: Any = "blend"
) -> CommitteeChoice:
    choice = choose([model.candidate for model in models])
    assert choice is not None
    return CommitteeChooser(dataset, penalty_weight=1.0, seed=0).choose(asked, choice, models, baselines)


@pytest.fixture(params=[0, 3], ids=["without folds", "with folds"])
def dataset(request: Any, make_dataset: Any) -> Dataset:
    made: Dataset = make_dataset("multilabel", rows=240, folds=request.param)
    return made


def test_a_blend_has_the_best_models_the_baseline_and_the_best_single_model_at_its_head(dataset: Dataset) -> None:
    models = [kept(dataset, number, noisy(dataset, number)) for number in range(4)]
    chosen = choose_among(dataset, models, [baseline(dataset, noisy(dataset, 9))])
    best = max(models, key=lambda model: model.candidate.score)
    assert chosen.chosen.kind == "blend"
    assert chosen.chosen.lead is best
    assert chosen.chosen.members[-1].baseline == "tfidf"
    assert list(chosen.alternatives) == ["single", "committee", "blend"]
    assert chosen.chosen.measures["score"] > best.candidate.score
    assert "on validation its macro-F1 is +" in chosen.reason


def test_a_much_better_baseline_is_handed_over_with_the_best_model_at_its_head(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel", rows=240)
    linear = baseline(dataset, noisy(dataset, 9, noise=0.3))
    chosen = choose_among(dataset, [kept(dataset, 5, noisy(dataset, 5, noise=4.0))], [linear]).chosen
    assert [(member.key, member.weight) for member in chosen.members] == [(5, 1), ("tfidf", 8)]
    assert chosen.ahead.low > 0


@pytest.mark.parametrize("asked", ["single", "committee"])
def test_what_was_asked_for_is_handed_over_and_the_others_stay_as_alternatives(make_dataset: Any, asked: Any) -> None:
    dataset = make_dataset("multilabel", rows=240)
    models = [kept(dataset, number, noisy(dataset, number)) for number in range(4)]
    chosen = choose_among(dataset, models, [baseline(dataset, noisy(dataset, 9))], asked)
    assert chosen.chosen.kind == asked
    assert list(chosen.alternatives) == ["single", "committee", "blend"]


def test_one_model_is_handed_over_as_it_is_and_the_reason_says_so(make_dataset: Any) -> None:
    dataset = make_dataset("binary")
    probabilities = np.column_stack([1 - (odds := noisy(dataset, 0)[:, 1]), odds])
    chosen = choose_among(dataset, [kept(dataset, 5, probabilities)])
    assert (chosen.chosen.kind, chosen.chosen.lead.trial.order.index) == ("single", 5)
    assert chosen.reason == (
        "there is no fit linear baseline; no committee of the search's models scores higher than its best single model"
    )


def test_neither_a_collapsed_run_nor_a_doubtful_one_nor_a_baseline_without_skill_gets_in(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel", rows=240)
    models = [kept(dataset, number, noisy(dataset, number)) for number in range(2)]
    models += [kept(dataset, 7, noisy(dataset, 7), "collapsed"), kept(dataset, 8, noisy(dataset, 8), "doubtful")]
    flat = np.full(dataset.truth("validation").shape, 0.3)
    chosen = choose_among(dataset, models, [baseline(dataset, flat)])
    members = {member.trial for alternative in chosen.alternatives.values() for member in alternative.members}
    assert members <= {0, 1}


def test_what_a_member_adds_is_the_score_that_the_committee_loses_without_it(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel", rows=240)
    models = [kept(dataset, number, noisy(dataset, number)) for number in range(3)]
    committee = choose_among(dataset, models, asked="committee").chosen
    chooser = CommitteeChooser(dataset, penalty_weight=1.0, seed=0)
    first = committee.members[0]
    others = committee.members[1:]
    rest = sum(each.weight * each.model.probabilities for each in others) / sum(each.weight for each in others)  # type: ignore[union-attr]
    without = measure_held_out(np.asarray(rest), dataset, penalty_weight=1.0)[1]["score"]
    assert chooser.gain(committee, first) == pytest.approx(committee.measures["score"] - without)
    single = choose_among(dataset, models, asked="single").chosen
    assert chooser.gain(single, single.members[0]) is None


def test_a_committee_that_is_surely_worse_on_validation_gives_way(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel", rows=240)
    models = [kept(dataset, number, noisy(dataset, number)) for number in range(3)]
    alternatives = dict(choose_among(dataset, models, [baseline(dataset, noisy(dataset, 9))]).alternatives)
    worse = Interval(-0.02, -0.03, -0.01)
    alternatives["blend"] = replace(alternatives["blend"], ahead=worse)
    chosen, reason = pick("blend", alternatives, can_blend=True)
    assert chosen.kind == "committee"
    assert reason.startswith("the blend is clearly worse than the best single model on validation; on validation its")
    alternatives["committee"] = replace(alternatives["committee"], ahead=worse)
    assert _kind(pick("committee", alternatives, can_blend=True)) == "single"


def _kind(picked: tuple[Alternative, str]) -> str:
    return picked[0].kind
