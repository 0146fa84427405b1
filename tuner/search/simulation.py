"""Play a search through without training: slots, rungs and the reserve for finalists, with measured costs. Pure functions."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from tuner.pruners.asha import Rungs, rung_examples
from tuner.search.time_budget import affordable, finalists_seconds, making_way_s
from tuner.search.trial_cost import TrialCost
from tuner.space.search_settings import SearchSettings

_GAMES = 9
_MOST_TRIALS = 1_000  # played; a longer search goes on at the same rate
_BETWEEN_TRIALS_S = 0.15
_NOISE = 0.5  # of a measured score, relative to the spread of what configurations reach
_PROGRESS = 0.02  # a sampler that learns proposes better and better, so ASHA stops fewer


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a search has: the costs of configurations, rows, slots, and when things begin.

    The first trial starts after `starting_s`. The baselines run beside the trials, and take as much of the processors as one
    slot until `baselines_s`. `trials` is the most that there may be, None without a limit.
    """

    search: SearchSettings
    costs: Sequence[TrialCost]
    rows: int
    validation_rows: int
    slots: int
    starting_s: float
    baselines_s: float
    closing_s: float
    trials: int | None
    finalists: int


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a search went: trials with a measurement, those that reached the full budget, finalists, and seconds.

    `search_s` is when the search was over, `finalists_s` how long the finalists took, and `total_s` when all was over.
    `share_cut` is the share of the time of all trials that went to those that the end of the search cut off.
    """

    trials: int
    full_runs: int
    finalists: int
    seeds: int
    search_s: float
    finalists_s: float
    total_s: float
    share_cut: float


@dataclass(order=True)
class _Running:
    at_s: float
    number: int
    cost: TrialCost = field(compare=False)
    merit: float = field(compare=False)
    begun_s: float = field(compare=False)
    measurements: int = field(default=0, compare=False)


def foresee(scene: Scene, limit_s: float | None, *, games: int = _GAMES) -> Course:
    """Return the middle one of several games: by its trials and, among equals, by those that reach the full budget."""
    courses = [_play(scene, limit_s, seed) for seed in range(games)]
    return sorted(courses, key=lambda course: (course.trials, course.full_runs))[(games - 1) // 2]


def least_seconds(scene: Scene) -> float:
    """Return the shortest time limit in which a trial is measured and the search is closed, within a twentieth."""
    low, high = scene.starting_s, 2 * (scene.starting_s + scene.closing_s)
    while not _is_enough(scene, high):
        low, high = high, 2 * high
    while high > 1.05 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if _is_enough(scene, middle) else (middle, high)
    return high


def _is_enough(scene: Scene, limit_s: float) -> bool:
    course = foresee(scene, limit_s)
    return course.trials > 0 and course.total_s <= limit_s


def _play(scene: Scene, limit_s: float | None, seed: int) -> Course:
    """Let trials run, `slots` at a time, until their number or the time is used up."""
    search, game = scene.search, _Game(scene, limit_s, seed)
    starts = [scene.starting_s] * scene.slots
    starts[-1] = max(scene.starting_s, scene.baselines_s)
    waiting = [game.begin(start) for start in starts]
    running = [trial for trial in waiting if trial is not None]
    heapq.heapify(running)
    now = scene.starting_s
    while running and not game.is_over(running[0].at_s):
        trial = heapq.heappop(running)
        now = trial.at_s
        following = trial if game.measure(trial) else game.begin(now + _BETWEEN_TRIALS_S)
        if following is not None:
            heapq.heappush(running, following)
    if running and limit_s is not None:
        now = max(now, limit_s - game.reserve_s())
    runs = game.best_runs()
    left_s = math.inf if limit_s is None else limit_s - now - scene.closing_s - making_way_s(scene.slots)
    finalists, seeds = affordable(runs, seeds=search.seeds, slots=scene.slots, seconds=left_s)
    wanted_s = finalists_seconds(runs[:finalists], seeds=seeds, slots=scene.slots)
    finalists_s = min(wanted_s, max(0.0, left_s))
    share_cut = _share_cut(game, running, now, runs_s=seeds * sum(runs[:finalists]), are_cut=finalists_s < wanted_s)
    trials, full_runs = len(game.measured), game.full_runs
    if game.begun >= _MOST_TRIALS:  # the rest goes on at the same rate
        trials, now = _extrapolate(scene, limit_s, trials, now, finalists_s)
        full_runs = round(full_runs * trials / len(game.measured))
    return Course(
        trials=trials,
        full_runs=full_runs,
        finalists=finalists,
        seeds=seeds,
        search_s=now,
        finalists_s=finalists_s,
        total_s=now + finalists_s + scene.closing_s,
        share_cut=share_cut,
    )


def _share_cut(game: _Game, running: Sequence[_Running], now: float, *, runs_s: float, are_cut: bool) -> float:
    """Return the share of all training that goes to trials that are cut off: the running ones, and maybe the finalists."""
    cut_s = sum(max(0.0, now - trial.begun_s) for trial in running)
    return (cut_s + are_cut * runs_s) / max(game.spent_s + cut_s + runs_s, 1e-9)


def _extrapolate(scene: Scene, limit_s: float | None, trials: int, now: float, finalists_s: float) -> tuple[int, float]:
    rate = trials / max(now - scene.starting_s, 1e-6)
    fit = None if limit_s is None else trials + int(rate * max(0.0, limit_s - scene.closing_s - finalists_s - now))
    total = min(each for each in (fit, scene.trials) if each is not None)
    return total, now + (total - trials) / rate


class _Game:
    """One search: its rungs, and the trials that have been measured."""

    def __init__(self, scene: Scene, limit_s: float | None, seed: int) -> None:
        self._scene, self._limit_s = scene, limit_s
        self._random = np.random.default_rng(seed)
        search = scene.search
        levels = rung_examples(
            grace_epochs=search.grace_epochs,
            reduction_factor=search.reduction_factor,
            max_epochs=search.max_epochs,
            rows=scene.rows,
        )
        self._rungs = Rungs(levels, reduction_factor=search.reduction_factor)
        self.begun = self.full_runs = 0
        self.spent_s = 0.0  # on trials that have ended
        self.measured: dict[int, tuple[float, TrialCost]] = {}

    def begin(self, at_s: float) -> _Running | None:
        """Return the next trial, which starts at a moment, when its first measurement is done; None if there is none."""
        limits = [_MOST_TRIALS, *([self._scene.trials] if self._scene.trials is not None else [])]
        if self.begun >= min(limits):
            return None
        cost = self._scene.costs[int(self._random.integers(len(self._scene.costs)))]
        merit = self._random.normal() + _PROGRESS * self.begun
        trial = _Running(at_s + cost.build_s + self._stretch_s(cost), self.begun, cost, merit, at_s)
        self.begun += 1
        return trial

    def measure(self, trial: _Running) -> bool:
        """Take in a measurement. Return whether the trial goes on; `at_s` is then its next one."""
        scene, search = self._scene, self._scene.search
        trial.measurements += 1
        self.measured[trial.number] = (trial.merit, trial.cost)
        examples = round(trial.measurements * scene.rows / search.reports_per_epoch)
        is_complete = examples >= search.max_epochs * scene.rows
        score = trial.merit + _NOISE * self._random.normal()
        if is_complete or not self._rungs.goes_on(trial.number, examples, score):
            self.full_runs += is_complete
            self.spent_s += trial.at_s - trial.begun_s
            return False
        trial.at_s += self._stretch_s(trial.cost)
        return True

    def is_over(self, now: float) -> bool:
        """Return whether the search makes way for the finalists at this moment."""
        if self._limit_s is None or now <= self._limit_s - self._half_s():  # the reserve is never more than that
            return False
        return now > self._limit_s - self.reserve_s()

    def reserve_s(self) -> float:
        """Return the seconds that are kept for finalists and closing, as `TimeBudget` does."""
        scene, half = self._scene, self._half_s()
        if not self.measured:
            return half
        needed = finalists_seconds(self.best_runs(), seeds=scene.search.seeds, slots=scene.slots)
        return min(half, scene.closing_s + 2 * making_way_s(scene.slots) + needed)

    def _half_s(self) -> float:
        return max(0.0, (self._limit_s or 0.0) - self._scene.starting_s) / 2

    def best_runs(self) -> list[float]:
        """Return the seconds of a full run of each finalist."""
        best = heapq.nlargest(self._scene.finalists, self.measured.values(), key=itemgetter(0))
        search = self._scene.search
        return [self._stretch_s(cost) * search.max_epochs * search.reports_per_epoch for _, cost in best]

    def _stretch_s(self, cost: TrialCost) -> float:
        scene = self._scene
        return cost.example_s * scene.rows / scene.search.reports_per_epoch + cost.row_s * scene.validation_rows
