"""How much time finalists will need, and how many of them fit. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.scoring.bootstrap import SAMPLES

SAFETY = 1.1
"""What an estimate is multiplied with: finalists run all slots at once, which is a little slower than what was measured."""
BETWEEN_TRIALS_S = 0.5
MAKING_WAY_S = 1.0
"""From the end of the search to the first finalist, beside what running trials take to their next report: Ray has asked for
some trials ahead, which are turned away one by one."""
CLOSING_S = 4.0
"""What closing takes on some thousand rows: reading the models, predictions, intervals, the bundle."""
RIVALS = 4
"""Baselines that the champion is compared with on the test rows; there may be fewer."""
# Seconds, measured on one core of an AMD EPYC.
_DRAW_S = 28e-9  # a resample's row
_COLUMN_S = 0.2e-9  # a column of it
_DECIDE_S = 0.7e-6  # a model's decision: thresholds on both halves, and the score
_MEASURE_S = 0.35e-6
_WRITE_S = 6e-6  # a row of predictions


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What of the data closing takes longer for; `fitting_s` are the seconds of fitting a tokeniser on the training texts."""

    validation: int = 0
    test: int = 0
    labels: int = 0
    fitting_s: float = 0.0
    are_validation_rows_predicted: bool = True


def closing_seconds(sizes: Sizes, *, finalists: int, seeds: int, predict_s: float, slowdown: float = 1.0) -> float:
    """Estimate the seconds from the last finalist's run to the end, where a model takes `predict_s` a row.

    Rows are predicted once; each model's decisions are made again by its kept probabilities; rows are drawn for the intervals
    of the champion on both splits and, swapped as well, of its difference to each baseline on test, and of the difference to each
    other finalist on validation. `slowdown` is how many times as long all of that takes on a busy machine.
    """
    rows, labels = sizes.validation + sizes.test, sizes.labels
    predicted = sizes.test + sizes.validation * sizes.are_validation_rows_predicted
    columns = 3 * labels  # decided, true, and both
    drawn = (
        sizes.test * (_resample_s(columns) + 2 * RIVALS * _resample_s(5 * labels))
        + sizes.validation * _resample_s(columns)
        + sizes.validation * (finalists - 1) * _resample_s((4 * seeds + 1) * labels)
    )
    decided = sizes.validation * labels * (finalists * seeds + 3) * _DECIDE_S
    told = rows * (labels * _MEASURE_S + _WRITE_S)
    growing = predicted * predict_s + drawn + decided + told + sizes.fitting_s
    return CLOSING_S + slowdown * growing


def _resample_s(columns: int) -> float:
    return SAMPLES * (_DRAW_S + _COLUMN_S * columns)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Return how long jobs take on `slots` workers, the longest first (Graham 1969)."""
    ends = [0.0] * slots
    for job in sorted(seconds, reverse=True):
        first = min(range(slots), key=ends.__getitem__)
        ends[first] += job
    return max(ends)


def finalists_seconds(full_runs: Sequence[float], *, seeds: int, slots: int) -> float:
    """Return the time that each of some configurations, run with `seeds` seeds, takes in all.

    `full_runs` are the estimated seconds of one full run of each.
    """
    jobs = [SAFETY * seconds + BETWEEN_TRIALS_S for seconds in full_runs for _ in range(seeds)]
    return makespan(jobs, slots) if jobs else 0.0


def affordable(full_runs: Sequence[float], *, seeds: int, slots: int, seconds: float) -> tuple[int, int]:
    """Return how many finalists and seeds fit into `seconds`, at least one of each.

    `full_runs` are in the order of the ranking. Seeds are given up before finalists. What is left at the least is one
    finalist, with as many seeds as run side by side: they take no longer than one.
    """
    choices = [(len(full_runs), fewer) for fewer in range(seeds, 0, -1)]
    choices += [(fewer, 1) for fewer in range(len(full_runs) - 1, 1, -1)]
    for finalists, kept_seeds in choices:
        if finalists_seconds(full_runs[:finalists], seeds=kept_seeds, slots=slots) <= seconds:
            return finalists, kept_seeds
    return 1, min(seeds, slots)
