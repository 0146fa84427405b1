"""How much time finalists will need, and how many of them fit. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

SAFETY = 1.1
"""What an estimate is multiplied with: finalists run all slots at once, which is a little slower than what was measured."""
BETWEEN_TRIALS_S = 0.5
MAKING_WAY_S = 1.0
"""From the end of the search to the first finalist, beside what running trials take to their next report: Ray has asked for
some trials ahead, which are turned away one by one."""
CLOSING_S = 4.0
"""Reading the champion, one pass over validation and test, the bootstrap, the bundle."""


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
