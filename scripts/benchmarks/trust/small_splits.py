"""Small splits: how often is one of two equal models called ahead, or a guess called better than a constant rule?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Row, at_most, explains
from benchmarks.trust.draws import binary, even, many_labels, uneven

REPEATS = 600
ROWS = (20, 50, 100, 200, 600)
KINDS: dict[str, Any] = {
    "binary, 10 % positive": binary(0.1, 0.7),
    "10 even classes": even(10, 0.7),
    "10 Zipf classes": uneven(10, 0.7),
    "28 Zipf labels": many_labels(28, 0.6),
}
MOST_A_SIDE = 3.5  # percent


def measure() -> list[Row]:
    rows = []
    for name, model in KINDS.items():
        for count in ROWS:
            first, second = called_ahead(model, count, repeats=REPEATS)
            rows.append(
                at_most(
                    f"equal models told apart, {name}, {count} rows",
                    MOST_A_SIDE,
                    100 * max(first, second),
                    "% a side",
                    f"first ahead {first:.1%}, second {second:.1%} of {REPEATS}",
                )
            )
    for name, model in KINDS.items():
        for count in ROWS:
            share = guess_has_skill(model, count, repeats=REPEATS)
            rows.append(at_most(f"guesses better than constant, {name}, {count} rows", MOST_A_SIDE, 100 * share, "%"))
    for count in ROWS:
        ahead, held = finds_and_holds(binary(0.3, 0.9), binary(0.3, 0.7), count, repeats=REPEATS)
        detail = f"a model right in 95 of 100 rows against one right in 85; the interval holds the true difference in {held:.1%}"
        rows.append(explains(f"better model found to be better, {count} rows", 100 * ahead, "%", detail))
    return rows


def called_ahead(model: Any, count: int, *, repeats: int, other: Any = None) -> tuple[float, float]:
    """Return how often the first, and how often the second, of two equally good models is called ahead."""
    from tuner.scoring.blocks import single_rows
    from tuner.scoring.paired import paired_difference

    ahead = np.zeros(2)
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, count))
        truth = model.truth(count, generator)
        first, second = model.decide(truth, generator), (other or model).decide(truth, generator)
        difference = paired_difference(first, second, truth, blocks=single_rows(count), seed=repeat)
        ahead += difference.low > 0, difference.high < 0
    first_ahead, second_ahead = (ahead / repeats).tolist()
    return first_ahead, second_ahead


def guess_has_skill(model: Any, count: int, *, repeats: int) -> float:
    """Return how often decisions drawn for other rows count as better than constant: both intervals of the verdict above 0."""
    from tuner.scoring.blocks import single_rows
    from tuner.scoring.bootstrap import intervals

    better = 0
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, count, 1))
        truth, others = model.truth(count, generator), model.truth(count, generator)
        decisions = model.decide(others, generator)
        measured = intervals(decisions, truth, model.task, blocks=single_rows(count), seed=repeat)
        better += measured.skill.low > 0 and measured.above_chance.low > 0
    return better / repeats


def finds_and_holds(better: Any, worse: Any, count: int, *, repeats: int) -> tuple[float, float]:
    """Return how often the better of two models is called ahead, and how often the interval holds the true difference."""
    from tuner.scoring.blocks import single_rows
    from tuner.scoring.paired import paired_difference

    difference = better.macro_f1 - worse.macro_f1
    ahead = held = 0
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, count, 2))
        truth = better.truth(count, generator)
        decided = [model.decide(truth, generator) for model in (better, worse)]
        interval = paired_difference(*decided, truth, blocks=single_rows(count), seed=repeat)
        ahead += interval.low > 0
        held += interval.low <= difference <= interval.high
    return ahead / repeats, held / repeats
