"""Duds, which are bad trials that train for long: does the sampler go back to where they lie?

The first part has one parameter. On one half of its range a rung stops every trial; on the other half are duds that end
later, by `search.patience` or the gate. The second part simulates whole searches: configurations with a true quality, curves
that rise to it with noise, the rungs of ASHA, and duds on a sixth of the space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.row import Row, at_least, at_most, explains
from tuner.pruners.asha import rung_epochs
from tuner.samplers.base import Sampler
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TpeSampler
from tuner.space.configuration import Configuration
from tuner.space.domains import Choice, Domain, FloatRange, IntRange
from tuner.trial.ending import Ending

_SEEDS = 20
_ASKED, _LEARNT_FROM = 60, 30
_DUD_SCORE = 0.05
_NOISE = 0.015  # of the score of one measurement
_REDUCTION_FACTOR = 3
_SPACE: Mapping[str, Domain] = {
    "learning_rate": FloatRange(1e-4, 1e-1, is_log=True),
    "hidden": IntRange(16, 512, is_log=True),
    "dropout": FloatRange(0.0, 0.8),
    "clipping": Choice(("none", "norm", "value")),
    "loss": Choice(("a", "b", "c", "d")),
    "idle": FloatRange(0.0, 1.0),
}
_LOSS_COSTS = {"a": 0.0, "b": 0.03, "c": 0.08, "d": 0.12}
_CLIPPING_COSTS = {"none": 0.03, "norm": 0.0, "value": 0.02}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How trials end: epochs of the first rung, of a full budget and of the search; whether gate or patience ends duds."""

    name: str
    grace: float
    full: float
    budget: float
    reports_per_epoch: int
    patience: int | None = None
    gate_at: float | None = None


_PLANS = (
    Plan(name="no patience, the gate at one epoch", grace=0.5, full=9, budget=200, reports_per_epoch=2, gate_at=1.0),
    Plan(name="no patience, the gate at two epochs", grace=0.5, full=9, budget=200, reports_per_epoch=2, gate_at=2.0),
    Plan(name="patience before the first rung", grace=1.5, full=40, budget=500, reports_per_epoch=4, patience=4),
)


def measure() -> list[Row]:
    """Measure how many proposals are duds, and whether searches gain from what the sampler learns."""
    rows = []
    for ending in ("completed", "collapsed", "diverged"):
        share = float(np.mean([_share_of_duds(ending, seed) for seed in range(_SEEDS)]))
        name = f"proposals among duds that came further than all others, and ended as {ending}"
        rows.append(at_most(name, 0.15, share, "share", "chance: 0.5"))
    for plan in _PLANS:
        tpe = np.array([_late(TpeSampler(_SPACE, seed=seed), plan, seed) for seed in range(_SEEDS)])
        random = np.array([_late(RandomSampler(_SPACE, seed=seed), plan, seed) for seed in range(_SEEDS)])
        gain = tpe[:, 0] - random[:, 0]
        detail = f"standard error {gain.std(ddof=1) / math.sqrt(_SEEDS):.3f}"
        name = f"{plan.name}: proposals of a search's second half"
        rows.append(at_least(f"{name}, true quality minus that of random ones", 0.1, float(gain.mean()), "", detail))
        rows.append(explains(f"{name}, duds", float(tpe[:, 1].mean()), "share", f"random: {random[:, 1].mean():.3f}"))
    return rows


def _share_of_duds(ending: str, seed: int) -> float:
    """Propose values of one parameter: below 0.5 a rung stops all trials, with good scores; above are duds that end later."""
    sampler = TpeSampler({"x": FloatRange(0.0, 1.0)}, seed=seed)
    duds = []
    for index in range(_ASKED):
        x = float(sampler.ask(index)["x"])
        duds.append(x >= 0.5)
        if x < 0.5:
            sampler.tell(index, measurements=[(100, 0.5 - abs(x - 0.2))], ending=Ending.STOPPED)
        else:
            sampler.tell(index, measurements=[(100, _DUD_SCORE), (300, _DUD_SCORE)], ending=Ending(ending))
    return float(np.mean(duds[_LEARNT_FROM:]))


def _late(sampler: Sampler, plan: Plan, seed: int) -> tuple[float, float]:
    """Run a search. Return the mean true quality and the share of duds among the proposals of its second half."""
    noise = np.random.default_rng((1, seed))
    rungs: dict[float, list[float]] = {
        epochs: []
        for epochs in rung_epochs(grace_epochs=plan.grace, reduction_factor=_REDUCTION_FACTOR, max_epochs=plan.full)
    }
    spent, index = 0.0, 0
    late: list[tuple[float, bool]] = []
    while spent < plan.budget:
        quality, slowness, is_dud = _truth(sampler.ask(index))
        measurements, ending = _train(quality, slowness, is_dud, plan, rungs, noise)
        spent += measurements[-1][0]
        sampler.tell(
            index, measurements=[(round(100 * epochs), score) for epochs, score in measurements], ending=Ending(ending)
        )
        if spent > plan.budget / 2:
            late.append((quality, is_dud))
        index += 1
    return float(np.mean([quality for quality, _ in late])), float(np.mean([is_dud for _, is_dud in late]))


def _truth(configuration: Configuration) -> tuple[float, float, bool]:
    """Return a configuration's quality, the epochs that its curve takes to rise, and whether it is a dud."""
    rate, clipping = math.log10(float(configuration["learning_rate"])), str(configuration["clipping"])
    is_dud = rate > -1.4 or (rate > -1.8 and clipping == "none")
    costs = 0.10 * abs(rate + 2.6) + 0.03 * abs(math.log2(float(configuration["hidden"])) - 7)
    costs += 0.15 * abs(float(configuration["dropout"]) - 0.35)
    costs += _CLIPPING_COSTS[clipping] + _LOSS_COSTS[str(configuration["loss"])]
    return _DUD_SCORE if is_dud else 0.75 - costs, max(0.3, 0.6 * 10 ** (0.35 * (-rate - 2))), is_dud


def _train(
    quality: float,
    slowness: float,
    is_dud: bool,
    plan: Plan,
    rungs: Mapping[float, list[float]],
    noise: np.random.Generator,
) -> tuple[list[tuple[float, float]], str]:
    """Return a trial's measurements as pairs of epochs and score, and its ending."""
    measurements: list[tuple[float, float]] = []
    best, since_best = -math.inf, 0
    for number in range(1, round(plan.full * plan.reports_per_epoch) + 1):
        epochs = number / plan.reports_per_epoch
        level = quality if is_dud else quality * (1 - math.exp(-epochs / slowness))
        score = level + _NOISE * noise.normal()
        measurements.append((epochs, score))
        best, since_best = (score, 0) if score > best else (best, since_best + 1)
        if is_dud and plan.gate_at is not None and epochs >= plan.gate_at:
            return measurements, "collapsed"
        if epochs in rungs:
            rungs[epochs].append(score)
            if score < np.quantile(rungs[epochs], 1 - 1 / _REDUCTION_FACTOR):
                return measurements, "stopped"
        if plan.patience is not None and since_best >= plan.patience:
            break
    return measurements, "completed"
