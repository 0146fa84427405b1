"""The choice of a committee: models whose mean probabilities score best on cross-fitted validation rows.

Models are added one by one, each time the one that helps most, and a model may be added again, which gives it more weight:
Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models" (ICML 2004). As there, many bags of
models choose, and their choices are added up, so that no model gets in by luck with the rows. A pure function of arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.committee_tables import Tables, make_tables
from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import measure
from tuner.scoring.ranking import Probabilities
from tuner.scoring.thresholds import cross_fitted_decisions
from tuner.space.task import Task


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a committee is chosen. `scripts/benchmarks/trust/committee.py` compares other values on fresh rows.

    Each of `bags` bags sees a `share` of the models, begins with at most `start` of its best ones, and takes at most `steps`
    more. At most `members` different models stay, those that were chosen most often, and none that was chosen less than `least`
    times as often as the first. What a member adds on these rows is no reason to leave it out: that fits their noise.
    """

    bags: int = 12
    share: float = 0.7
    start: int = 5
    steps: int = 4
    members: int = 8
    least: float = 0.2


RULES = Rules()
_SMALLER = (5, 3, 2)
"""Best models whose plain mean is tried next, if a choice scores below the best model."""


def choose_committee(
    probabilities: Sequence[Probabilities],
    truth: Indicator,
    task: Task,
    *,
    parts: NDArray[np.int64],
    seen: Indicator | None = None,
    penalty_weight: float = 1.0,
    seed: int,
    rules: Rules = RULES,
) -> tuple[int, ...]:
    """Return how often each model is chosen; a model that is left out has 0.

    `probabilities` holds (rows, labels) for each model, for rows that did not train it; `truth` is (rows, labels). `parts` and
    `seen` are as in `cross_fitted_decisions`. The score of the committee's mean probabilities, cross-fitted, is never below
    the best model's. Neither the order of the models nor copies of a model change the mean.
    """
    stacked = [np.asarray(each, np.float64) for each in probabilities]

    def score_of(counts: Sequence[int]) -> float:
        return cross_fitted_score(
            mean_probabilities(zip(counts, stacked, strict=True)),
            truth,
            task,
            parts=parts,
            seen=seen,
            penalty_weight=penalty_weight,
        )

    alone = [score_of(_one_of(number, len(stacked))) for number in range(len(stacked))]
    ranked = _distinct(stacked, alone)
    best = _one_of(ranked[0], len(stacked))
    if len(ranked) == 1:
        return best
    tables = make_tables([stacked[number] for number in ranked], truth, task, parts, seen, penalty_weight)
    chosen = np.zeros(len(stacked), np.int64)
    chosen[ranked] = _choose_in_bags(tables, len(ranked), rules, np.random.default_rng(seed))
    weights = tuple((chosen // np.gcd.reduce(chosen)).tolist())
    smaller = [tuple(int(each in ranked[:size]) for each in range(len(stacked))) for size in _SMALLER]
    return next((counts for counts in (weights, *smaller) if score_of(counts) >= alone[ranked[0]]), best)


def mean_probabilities(weighted: Iterable[tuple[int, Probabilities]]) -> NDArray[np.float64]:
    """Return the mean of probabilities (rows, labels), each given with its weight. Those of weight 0 do not count."""
    total, weights = None, 0
    for weight, probabilities in weighted:
        if weight:
            total = weight * probabilities if total is None else total + weight * probabilities
            weights += weight
    assert total is not None
    return np.asarray(total / weights, np.float64)


def cross_fitted_score(
    probabilities: Probabilities,
    truth: Indicator,
    task: Task,
    *,
    parts: NDArray[np.int64],
    seen: Indicator | None = None,
    penalty_weight: float = 1.0,
) -> float:
    """Return macro-F1 minus the weighted penalty of cross-fitted decisions, on all rows together."""
    decisions = cross_fitted_decisions(probabilities, truth, task, parts=parts, seen=seen)
    return measure(decisions, truth, task, penalty_weight=penalty_weight, is_detailed=False).score


def _one_of(number: int, count: int) -> tuple[int, ...]:
    return tuple(int(each == number) for each in range(count))


def _distinct(probabilities: Sequence[NDArray[np.float64]], scores: Sequence[float]) -> list[int]:
    """Return the numbers of the models without copies, the best first; equally good ones in an order that is their own."""
    contents = [each.tobytes() for each in probabilities]
    first = {content: number for number, content in reversed(list(enumerate(contents)))}
    return sorted(first.values(), key=lambda number: (-scores[number], contents[number]))


def _choose_in_bags(tables: Tables, models: int, rules: Rules, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return how often all bags together chose each model; the models are ranked, the best first."""
    counts = np.zeros(models, np.int64)
    size = min(models, max(2, round(rules.share * models)))
    for _ in range(rules.bags):
        bag = np.sort(generator.choice(models, size, replace=False))
        counts += _grow(tables, bag, models, rules)
    fewest_first = np.lexsort([-np.arange(models), counts])
    counts[fewest_first[: max(0, models - rules.members)]] = 0
    counts[counts < rules.least * counts.max()] = 0
    return counts


def _grow(tables: Tables, bag: NDArray[np.int64], models: int, rules: Rules) -> NDArray[np.int64]:
    """Return how often one bag chooses each model.

    It begins with its best few models, as many as score best together, and stops when no further one helps.
    """
    sums = np.cumsum([tables.models[number] for number in bag[: rules.start]], axis=0)
    starts = [tables.score(total, size) for size, total in enumerate(sums, start=1)]
    size = int(np.argmax(starts)) + 1
    best, total = starts[size - 1], sums[size - 1]
    counts = np.zeros(models, np.int64)
    counts[bag[:size]] = 1
    for _ in range(rules.steps):
        scores = [tables.score(total + tables.models[number], size + 1) for number in bag]
        helps_most = int(np.argmax(scores))
        if scores[helps_most] <= best:
            break
        best, size = scores[helps_most], size + 1
        counts[bag[helps_most]] += 1
        total = total + tables.models[bag[helps_most]]
    return counts
