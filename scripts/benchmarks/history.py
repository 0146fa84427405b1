"""What TPE finds if it sees a few hundred trials, beside what it finds if it sees all, on made-up objectives."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

import numpy as np

from benchmarks.row import Row, explains
from tuner.samplers import tpe_history
from tuner.samplers.tpe import TpeSampler
from tuner.space.configuration import Configuration
from tuner.space.domains import Choice, Domain, FloatRange, IntRange, OptionChoice
from tuner.trial.ending import Ending

TRIALS = 1200
REPEATS = 8
BEST = 5  # settings with the best scores, as finalists are
ALL = 10**6
HISTORIES = {"all": (ALL, ALL), "300 and 100": (300, 100)}
"""Ended trials, drawn at random, and running ones that TPE sees, beside the best 25."""
RUNNING = {"8 running": 8, "400 running": 400}

SPACE: Mapping[str, Domain] = {
    "a": FloatRange(0.0, 1.0),
    "b": FloatRange(0.0, 1.0),
    "c": FloatRange(1e-5, 1e-1, is_log=True),
    "d": IntRange(16, 512, is_log=True),
    "e": Choice((0, 1, 2, 3)),
    "f": OptionChoice((("no", {}), ("yes", {"g": FloatRange(0.0, 1.0)}))),
}
Point = tuple[float, float, float, float, int, float]
"""The settings a, b, c and d as numbers from 0 to 1, e, and f.yes.g, which is -1 if it is not in force."""


def bowl(at: Point) -> float:
    a, b, c, d, e, g = at
    return -((a - 0.3) ** 2 + (b - 0.7) ** 2 + (c - 0.4) ** 2 + (d - 0.6) ** 2) - 0.1 * (e != 2) - _option(g, 0.2)


def valley(at: Point) -> float:
    """A curved, narrow valley (Rosenbrock 1960) in the first two settings."""
    a, b, c, d, e, g = at
    x, y = 4 * a - 2, 4 * b - 1
    return (
        -(0.05 * (1 - x) ** 2 + 5 * (y - x**2) ** 2) / 5 - (c - 0.5) ** 2 - (d - 0.5) ** 2 - 0.1 * e - _option(g, 0.5)
    )


def waves(at: Point) -> float:
    """Many local optima (Rastrigin 1974)."""
    *numbers, e, g = at
    waves = sum((x - 0.55) ** 2 + 0.05 * (1 - math.cos(8 * math.pi * (x - 0.55))) for x in numbers)
    return -waves - 0.1 * (e != 1) - _option(g, 0.8)


def classes(at: Point) -> float:
    """The best numbers depend on the choice, and the best choice is not the best one at first sight."""
    a, b, c, d, e, g = at
    centre, height, width = ((0.2, 0.0, 0.3), (0.5, -0.1, 0.5), (0.8, -0.1, 0.5), (0.9, 0.15, 0.12))[e]
    distance = (a - centre) ** 2 + (b - centre) ** 2 + (c - centre) ** 2 + (d - 0.5) ** 2
    return height - distance / width - _option(g, centre)


def needle(at: Point) -> float:
    """A slope to a broad optimum, and a higher, narrow one on the other side."""
    a, b, c, d, e, g = at
    slope = -((a - 0.2) ** 2 + (b - 0.2) ** 2 + (c - 0.2) ** 2)
    peak = math.exp(-((a - 0.8) ** 2 + (b - 0.8) ** 2 + (c - 0.8) ** 2) / 0.03)
    return slope + 1.5 * peak - (d - 0.5) ** 2 - 0.05 * e - _option(g, 0.5)


def _option(g: float, best: float) -> float:
    return 0.3 if g < 0 else (g - best) ** 2


OBJECTIVES: Mapping[str, tuple[Callable[[Point], float], float]] = {
    "bowl": (bowl, 0.02),
    "bowl, noisy": (bowl, 0.15),
    "valley": (valley, 0.02),
    "waves": (waves, 0.02),
    "classes": (classes, 0.02),
    "needle": (needle, 0.02),
}
"""Each with the standard deviation of the noise in its scores."""


def measure() -> list[Row]:
    """Return by how much the best settings exceed those that TPE finds if it sees all trials; negative is worse."""
    rows = []
    for objective in OBJECTIVES:
        for running_name, running in RUNNING.items():
            found = {
                name: [play(objective, seed, history=history, running=running) for seed in range(REPEATS)]
                for name, history in HISTORIES.items()
            }
            whole = found.pop("all")
            for name, capped in found.items():
                difference, error = _compare(capped, whole)
                detail = f"95 % interval ± {error:.3f}; all {fmean(whole):.3f}, capped {fmean(capped):.3f}"
                rows.append(explains(f"{objective}, {running_name}, {name}", difference, "objective", detail))
    return rows


def _compare(capped: Sequence[float], whole: Sequence[float]) -> tuple[float, float]:
    differences = [mine - other for mine, other in zip(capped, whole, strict=True)]
    return fmean(differences), 2.36 * stdev(differences) / math.sqrt(len(differences))  # t with 7 degrees of freedom


def play(objective: str, seed: int, *, history: tuple[int, int], running: int, trials: int = TRIALS) -> float:
    """Search with trials that end in random order. Return what the settings with the best scores are really worth."""
    tpe_history.DRAWN, tpe_history.RUNNING = history
    value, noise = OBJECTIVES[objective]
    sampler = TpeSampler(SPACE, seed=seed)
    generator = np.random.default_rng(seed)
    under_way: deque[tuple[int, float]] = deque()
    scored: list[tuple[float, float]] = []
    for index in range(trials):
        worth = value(_point(sampler.ask(index)))
        score = worth + noise * float(generator.normal())
        scored.append((score, worth))
        under_way.append((index, score))
        if len(under_way) >= running:
            under_way.rotate(int(generator.integers(running)))
            ended, its_score = under_way.popleft()
            sampler.tell(ended, measurements=[(1, its_score)], ending=Ending.COMPLETED)
    return fmean(worth for _, worth in sorted(scored)[-BEST:])


def _point(configuration: Configuration) -> Point:
    c, d = math.log10(float(configuration["c"])), math.log2(float(configuration["d"]))
    return (
        float(configuration["a"]),
        float(configuration["b"]),
        (c + 5) / 4,
        (d - 4) / 5,
        int(configuration["e"]),
        float(configuration.get("f.yes.g", -1.0)),
    )
