"""Groups whose rows err together: how often do equal models look different, and does cross-fitted macro-F1 hold on fresh rows?"""

from __future__ import annotations

import numpy as np

from benchmarks.row import Row, at_most
from benchmarks.trust.draws import Classes, uneven

REPEATS = 600
SHAPES = ((600, 1), (200, 3), (60, 10))
TOGETHER = (0.0, 0.5, 0.9)
MOST_A_SIDE = 3.5  # percent
MOST_OFF = 0.01
FRESH_GROUPS = 2000


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
    """Return how often the first, and how often the second, of two equally good models of three classes is called ahead."""
    from tuner.scoring.paired import paired_difference

    model = uneven(3, 0.6)
    ahead = np.zeros(2)
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, groups, int(10 * together)))
        blocks = np.repeat(np.arange(groups), size)
        truth = model.truth(groups, generator)[blocks]
        first, second = (err_together(model, truth, blocks, together, generator) for _ in range(2))
        difference = paired_difference(first, second, truth, blocks=blocks, seed=repeat)
        ahead += difference.low > 0, difference.high < 0
    first_ahead, second_ahead = (ahead / repeats).tolist()
    return first_ahead, second_ahead


def err_together(
    model: Classes, truth: np.ndarray, blocks: np.ndarray, together: float, generator: np.random.Generator
) -> np.ndarray:
    """Decide rows. A share `together` of them is decided like the first row of its group."""
    decisions = model.decide(truth, generator)
    first = np.unique(blocks, return_index=True)[1]
    follows = generator.random(len(truth)) < together
    return np.where(follows[:, None], decisions[first][blocks], decisions)


def cross_fitting() -> list[Row]:
    """Compare cross-fitted macro-F1 with that on 2,000 fresh groups under the thresholds of a bundle."""
    rows = []
    for groups, size in SHAPES:
        for together in TOGETHER:
            fitted, fresh, single = cross_fitted(groups, size, together, repeats=REPEATS)
            rows.append(
                at_most(
                    f"cross-fitted minus fresh macro-F1, {groups} × {size} rows, {together:.0%} err together",
                    MOST_OFF,
                    abs(fitted - fresh),
                    "macro-F1",
                    f"{fitted:.3f}, fresh {fresh:.3f}; with groups divided {single:.3f}; {REPEATS} repeats",
                )
            )
    return rows


def cross_fitted(groups: int, size: int, together: float, *, repeats: int) -> tuple[float, float, float]:
    """Return the mean macro-F1 of four labels: cross-fitted, on fresh rows, and cross-fitted with groups divided."""
    from tuner.scoring.blocks import halves, single_rows
    from tuner.scoring.f1 import macro_f1
    from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds

    blocks, new_blocks = np.repeat(np.arange(groups), size), np.repeat(np.arange(FRESH_GROUPS), size)
    totals = np.zeros(3)
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, groups, int(10 * together), 3))
        truth, probabilities = _rank_together(blocks, together, generator)
        new_truth, new_probabilities = _rank_together(new_blocks, together, generator)
        new = decide(new_probabilities, fit_thresholds(probabilities, truth, "multilabel"), "multilabel")
        ways = (halves(truth, blocks), halves(truth, single_rows(len(truth))))
        whole, single = (cross_fitted_decisions(probabilities, truth, "multilabel", parts=each) for each in ways)
        totals += macro_f1(whole, truth), macro_f1(new, new_truth), macro_f1(single, truth)
    fitted, fresh, dealt = (totals / repeats).tolist()
    return fitted, fresh, dealt


def _rank_together(
    blocks: np.ndarray, together: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and weakly related probabilities of four labels. Groups share the truth and a part `together` of the noise."""
    groups = int(blocks.max()) + 1
    truth = (generator.random((groups, 4)) < 0.15)[blocks]
    private, shared = generator.normal(size=truth.shape), generator.normal(size=(groups, 4))[blocks]
    noise = np.sqrt(together) * shared + np.sqrt(1 - together) * private
    return truth, 1 / (1 + np.exp(-(0.7 * truth + noise)))
