"""Choose what a search hands over: its best single model, a committee of its models, or a blend with the linear baseline.

All of it is decided on validation rows. A committee whose lead over the best single model is surely negative is not chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline
from tuner.data.dataset import Dataset
from tuner.scoring.bootstrap import Interval
from tuner.scoring.committee import choose_committee, mean_probabilities
from tuner.scoring.indicator import Indicator
from tuner.scoring.paired import paired_difference
from tuner.search.choice import ChampionChoice
from tuner.search.kept_models import KeptModel, health_of_held_out, measure_held_out
from tuner.space.search_settings import ChampionKind

_SHARES = (1, 2, 4, 8)
"""Weights of a baseline that is better than every committee, beside a trial's model of weight 1."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A member of a committee: a trial's model, or the linear baseline. `weight` counts how often it was chosen."""

    weight: int
    model: KeptModel | Baseline

    @property
    def key(self) -> int | str:
        """What tells members apart: the number of the trial, or the name of the baseline."""
        return self.model.name if isinstance(self.model, Baseline) else self.model.trial.order.index

    @property
    def trial(self) -> int | None:
        """The number of its trial, None for a baseline."""
        return self.model.trial.order.index if isinstance(self.model, KeptModel) else None

    @property
    def baseline(self) -> str | None:
        """The name of the baseline, None for a trial's model."""
        return self.model.name if isinstance(self.model, Baseline) else None


@dataclass(frozen=True, eq=False)
class Alternative:
    """One of the answers that a search may hand over. The first member leads: the best of its trials' models.

    `probabilities` and `decisions` are (validation rows, labels), the latter cross-fitted. `measures` are those of a trial.
    `ahead` is its macro-F1 over the best single model's on validation, with an interval.
    """

    kind: ChampionKind
    members: tuple[Chosen, ...]
    probabilities: NDArray[np.float64]
    decisions: Indicator
    measures: Mapping[str, float]
    ahead: Interval

    @cached_property
    def lead(self) -> KeptModel:
        """The model that leads."""
        model = self.members[0].model
        assert isinstance(model, KeptModel)
        return model

    @property
    def is_surely_worse(self) -> bool:
        """Whether the best single model is clearly ahead of it on validation."""
        return self.ahead.high < 0


@dataclass(frozen=True, eq=False)
class CommitteeChoice:
    """What was asked for, what is handed over, why, and the alternatives by kind, the chosen one among them."""

    asked: ChampionKind
    chosen: Alternative
    reason: str
    alternatives: Mapping[ChampionKind, Alternative]

    def members(self) -> list[Chosen]:
        """Return the members of all alternatives, each once."""
        members = (member for alternative in self.alternatives.values() for member in alternative.members)
        return list({member.key: member for member in members}.values())


class CommitteeChooser:
    """Chooses among the models of one search."""

    def __init__(self, dataset: Dataset, *, penalty_weight: float, seed: int) -> None:
        self._dataset, self._penalty_weight, self._seed = dataset, penalty_weight, seed

    def choose(
        self,
        asked: ChampionKind,
        choice: ChampionChoice,
        models: Sequence[KeptModel],
        baselines: Sequence[Baseline],
    ) -> CommitteeChoice:
        """Return what to hand over. `choice` says which of `models` is the best single one, and which are fit to be members.

        A baseline is a possible member if it has a fitted model, and is as healthy as the search's own models must be.
        """
        fit = [model for model in models if model.candidate in choice.fit]
        best = next(model for model in fit if model.candidate == choice.champion)
        single = self._describe("single", (Chosen(1, best),))
        linear = [each for each in baselines if self._is_fit(each, choice)]
        alternatives: dict[ChampionKind, Alternative] = {"single": single}
        pools: Mapping[ChampionKind, Sequence[KeptModel | Baseline]] = {"committee": fit, "blend": [*fit, *linear]}
        for kind, pool in pools.items():
            members = self._choose_members(pool, best)
            has_baseline = any(each.baseline for each in members)
            if len(members) > 1 and has_baseline == (kind == "blend"):
                alternatives[kind] = self._describe(kind, members, single)
        chosen, reason = pick(asked, alternatives, can_blend=bool(linear))
        return CommitteeChoice(asked, chosen, reason, alternatives)

    def gain(self, alternative: Alternative, member: Chosen) -> float | None:
        """Return how much a member adds: the score with it minus the score without it. None for the only one."""
        others = [each for each in alternative.members if each is not member]
        if not others:
            return None
        return alternative.measures["score"] - self._measure(_mean(others))[1]["score"]

    def score(self, member: Chosen) -> float:
        """Return the score of a member alone."""
        if isinstance(member.model, KeptModel):
            return member.model.candidate.score
        return self._measure(_probabilities(member.model))[1]["score"]

    def _choose_members(self, pool: Sequence[KeptModel | Baseline], best: KeptModel) -> tuple[Chosen, ...]:
        """Choose members from a pool; the leading one first, then by weight."""
        dataset = self._dataset
        weights = choose_committee(
            [_probabilities(model) for model in pool],
            dataset.truth("validation"),
            dataset.task,
            parts=dataset.parts,
            seen=dataset.seen,
            penalty_weight=self._penalty_weight,
            seed=self._seed,
        )
        members = [Chosen(weight, model) for weight, model in zip(weights, pool, strict=True) if weight]
        trials = [each for each in members if isinstance(each.model, KeptModel)]
        if not trials:
            return self._led(best, members[0])
        lead = next((each for each in trials if each.model is best), max(trials, key=self.score))
        rest = sorted(
            (each for each in members if each is not lead), key=lambda each: (each.trial is None, -each.weight)
        )
        return lead, *rest

    def _led(self, lead: KeptModel, baseline: Chosen) -> tuple[Chosen, ...]:
        """Return a model with a baseline that is better alone, in the shares that score best: a bundle needs a trial's model."""
        pairs = [(Chosen(1, lead), replace(baseline, weight=weight)) for weight in _SHARES]
        return max(pairs, key=lambda pair: self._measure(_mean(pair))[1]["score"])

    def _describe(
        self, kind: ChampionKind, members: tuple[Chosen, ...], single: Alternative | None = None
    ) -> Alternative:
        probabilities = _mean(members)
        decisions, measures = self._measure(probabilities)
        if single is None:
            return Alternative(kind, members, probabilities, decisions, measures, Interval(0.0, 0.0, 0.0))
        truth, blocks = self._dataset.truth("validation"), self._dataset.validation.blocks
        ahead = paired_difference(decisions, single.decisions, truth, blocks=blocks, seed=self._seed)
        return Alternative(kind, members, probabilities, decisions, measures, ahead)

    def _is_fit(self, baseline: Baseline, choice: ChampionChoice) -> bool:
        """Return whether a baseline may be a member: it has a model, healthy or no more doubtful than the search's own."""
        if baseline.model is None or baseline.on_validation.probabilities is None:
            return False
        probabilities = baseline.on_validation.probabilities
        health = health_of_held_out(probabilities, self._measure(probabilities)[1], self._dataset)
        return health in ("healthy", choice.champion.health)

    def _measure(self, probabilities: NDArray[np.float64]) -> tuple[Indicator, Mapping[str, float]]:
        return measure_held_out(probabilities, self._dataset, penalty_weight=self._penalty_weight)


def _probabilities(model: KeptModel | Baseline) -> NDArray[np.float64]:
    probabilities = model.probabilities if isinstance(model, KeptModel) else model.on_validation.probabilities
    assert probabilities is not None
    return probabilities


def _mean(members: Sequence[Chosen]) -> NDArray[np.float64]:
    return mean_probabilities((each.weight, _probabilities(each.model)) for each in members)


def pick(
    asked: ChampionKind, alternatives: Mapping[ChampionKind, Alternative], *, can_blend: bool
) -> tuple[Alternative, str]:
    """Return the first alternative, from what was asked down to a single model, that is there and not surely worse, and why.

    `can_blend` says whether there is a linear baseline that is fit to be a member.
    """
    reasons = []
    if asked == "blend":
        if (blend := alternatives.get("blend")) is None:
            why = "adding the linear baseline helps no committee" if can_blend else "there is no fit linear baseline"
            reasons.append(why)
        elif not blend.is_surely_worse:
            return blend, _explain(blend)
        else:
            reasons.append("the blend is clearly worse than the best single model on validation")
    if asked != "single":
        if (committee := alternatives.get("committee")) is None:
            reasons.append("no committee of the search's models scores higher than its best single model")
        elif not committee.is_surely_worse:
            return committee, "; ".join([*reasons, _explain(committee)])
        else:
            reasons.append("the committee is clearly worse than the best single model on validation")
    return alternatives["single"], "; ".join(reasons) or "search.champion asks for one"


def _explain(alternative: Alternative) -> str:
    ahead = alternative.ahead
    return (
        f"on validation its macro-F1 is {ahead.value:+.3f} against the best single model's "
        f"(95 %: {ahead.low:+.3f} to {ahead.high:+.3f})"
    )
