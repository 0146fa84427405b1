"""Do 95 % intervals hold the macro-F1 of infinitely many rows, even if a label has few rows or a model few errors?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Row, at_least
from benchmarks.trust.draws import binary, even, many_labels, uneven

REPEATS = 600
HELD_AT_LEAST = 93.0
KINDS: dict[str, Any] = {
    "binary, 1 % positive": binary(0.01, 0.7),
    "binary, 1 % positive, few errors": binary(0.01, 0.98),
    "binary, 3 % positive": binary(0.03, 0.8),
    "binary, 10 % positive, few errors": binary(0.1, 0.98),
    "binary, even": binary(0.5, 0.7),
    "binary, even, few errors": binary(0.5, 0.98),
    "10 even classes": even(10, 0.7),
    "10 even classes, few errors": even(10, 0.98),
    "10 Zipf classes": uneven(10, 0.7),
    "28 Zipf labels": many_labels(28, 0.6),
    "28 Zipf labels, the rare ones seldom found": many_labels(28, 0.9, 0.1),
    "200 Zipf labels, the rare ones seldom found": many_labels(200, 0.9, 0.05),
}
ROWS = (6, 20, 50, 100, 150, 600)


def measure() -> list[Row]:
    rows = []
    for name, model in KINDS.items():
        for count in ROWS:
            below, above, width = missed(model, count, repeats=REPEATS)
            rows.append(
                at_least(
                    f"intervals that hold, {name}, {count} rows",
                    HELD_AT_LEAST,
                    100 * (1 - below - above),
                    "%",
                    f"true {model.macro_f1:.3f}; below the interval in {below:.1%}, above in {above:.1%}; width {width:.2f}",
                )
            )
    return rows


def missed(model: Any, count: int, *, repeats: int) -> tuple[float, float, float]:
    """Return how often the true macro-F1 lies below the interval and above it, and the interval's mean width."""
    from tuner.scoring.blocks import single_rows
    from tuner.scoring.bootstrap import intervals

    below = above = 0
    width = 0.0
    for repeat in range(repeats):
        generator = np.random.default_rng((repeat, count))
        truth = model.truth(count, generator)
        decisions = model.decide(truth, generator)
        interval = intervals(decisions, truth, model.task, blocks=single_rows(count), seed=repeat).macro_f1
        below += model.macro_f1 < interval.low
        above += model.macro_f1 > interval.high
        width += (interval.high - interval.low) / repeats
    return below / repeats, above / repeats, width
