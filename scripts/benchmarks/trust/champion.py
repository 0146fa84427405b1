"""Is the champion as good as the best model of the search, whether or not finalists get enough time?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.row import Row, at_least, explains
from tuner.scoring.selection import choose_champion, lower_bounds
from tuner.search.choice import Candidate, choose

CONFIGURATIONS, FINALISTS, EPOCHS, REDUCTION = 81, 2, 9.0, 3
REPEATS = 2_000
SETTLES = 2.0
"""Epochs after which a run has reached 63 % of its quality."""
NOISES = {
    "seeds vary as rows do": (0.015, 0.015),
    "rows vary more": (0.007, 0.025),
    "seeds vary more": (0.025, 0.007),
    "rows alone vary": (0.0, 0.04),
}
"""Standard deviations: of a model's quality over seeds, and of its validation score around its quality."""
SHARES = (1.0, 0.5, 0.2)
"""The shares of their full training that finalists have time for."""

Pick = Callable[[Sequence[Candidate]], int]


@dataclass(frozen=True)
class Made:
    """The candidates of one simulated search, and the true quality of each trial's model."""

    candidates: tuple[Candidate, ...]
    quality: dict[int, float]


def make_search(
    generator: np.random.Generator,
    *,
    noise: tuple[float, float],
    share: float,
    seeds: int = 2,
    collapses: float = 0.0,
) -> Made:
    """Simulate successive halving, and train the best again for `share` of the full training.

    A share `collapses` of the runs of every second finalist gives no model; the other finalists never fail.
    """
    by_seed, by_rows = noise
    full = generator.normal(0.6, 0.05, CONFIGURATIONS)
    luck = generator.normal(0.0, by_seed, CONFIGURATIONS)
    left, epochs = np.arange(CONFIGURATIONS), 1.0
    trials: dict[int, tuple[float, float]] = {}
    while True:
        quality = _learnt(full[left], epochs) + luck[left]
        score = quality + generator.normal(0.0, by_rows, len(left))
        for number, true_quality, seen in zip(left.tolist(), quality.tolist(), score.tolist(), strict=True):
            if number not in trials or seen > trials[number][1]:
                trials[number] = true_quality, seen
        if epochs >= EPOCHS:
            break
        left, epochs = left[np.argsort(-score)[: len(left) // REDUCTION]], epochs * REDUCTION
    ranked = sorted(trials, key=lambda number: -trials[number][1])
    best = ranked[0]
    made = [_candidate(best, None, trials[best][1])]
    true = {best: trials[best][0]}
    for parent in ranked[:FINALISTS]:
        for _ in range(seeds):
            number = CONFIGURATIONS + len(made)
            true[number] = float(_learnt(full[parent], EPOCHS * share) + generator.normal(0.0, by_seed))
            seen = true[number] + float(generator.normal(0.0, by_rows))
            run = _candidate(number, parent, seen)
            is_lost = parent % 2 == 0 and generator.random() < collapses
            made.append(replace(run, score=-0.8, health="collapsed") if is_lost else run)
    return Made(tuple(made), true)


def _learnt(full: np.ndarray | float, epochs: float) -> np.ndarray:
    return np.asarray(full * (1 - np.exp(-epochs / SETTLES)))


def _candidate(trial: int, repeats: int | None, score: float) -> Candidate:
    return Candidate(trial=trial, repeats=repeats, score=score, health="healthy")


def by_rule(candidates: Sequence[Candidate]) -> int:
    """What tuner does."""
    choice = choose(candidates)
    assert choice is not None
    return choice.champion.trial


def finalists_only(candidates: Sequence[Candidate]) -> int:
    """Apply the former rule, in which search trials were not candidates."""
    runs = _runs(candidates)
    winner = choose_champion(
        lower_bounds({parent: [run.score for run in of_parent] for parent, of_parent in runs.items()})
    )
    return max(runs[winner], key=lambda run: run.score).trial


def surely_better(candidates: Sequence[Candidate]) -> int:
    """Pick the search trial only if another run of the finalist would be better in fewer than one case in ten."""
    runs = _runs(candidates)
    bounds = lower_bounds({parent: [run.score for run in of_parent] for parent, of_parent in runs.items()})
    winner = choose_champion(bounds)
    bound, best = bounds[winner], max(runs[winner], key=lambda run: run.score)
    searched = next(each for each in candidates if each.repeats is None)
    margin = 0.0 if math.isnan(bound.spread) else (bound.mean - bound.lower) * math.sqrt(bound.seeds + 1)
    return searched.trial if searched.score > max(best.score, bound.mean + margin) else best.trial


def search_trial(candidates: Sequence[Candidate]) -> int:
    """Always pick the best search trial."""
    return next(each for each in candidates if each.repeats is None).trial


def _runs(candidates: Sequence[Candidate]) -> dict[int, list[Candidate]]:
    runs: dict[int, list[Candidate]] = {}
    for each in candidates:
        if each.repeats is not None:
            runs.setdefault(each.repeats, []).append(each)
    return runs


RULES: dict[str, Pick] = {
    "tuner's rule": by_rule,
    "finalists only": finalists_only,
    "only if surely better": surely_better,
    "search trial": search_trial,
}


def mean_quality(made: Sequence[Made], pick: Pick) -> float:
    """Return the mean true quality of the models that a rule picks."""
    return float(np.mean([search.quality[pick(search.candidates)] for search in made]))


def measure() -> list[Row]:
    """Compare tuner's rule with the best of the others, for every kind of noise and every share of time."""
    rows = []
    for noise_name, noise in NOISES.items():
        for share in SHARES:
            for seeds in (1, 2, 3):
                generator = np.random.default_rng((0, seeds))
                made = [make_search(generator, noise=noise, share=share, seeds=seeds) for _ in range(REPEATS)]
                quality = {name: mean_quality(made, pick) for name, pick in RULES.items()}
                detail = ", ".join(f"{name} {value:.4f}" for name, value in quality.items())
                what = f"quality lost to the best rule; {noise_name}, {share:.0%} of training, {seeds} seeds"
                lost = quality["tuner's rule"] - max(quality.values())
                rows.append(at_least(what, -0.005, lost, "macro-F1", detail))
    generator = np.random.default_rng(1)
    made = [make_search(generator, noise=(0.015, 0.015), share=1.0, collapses=0.3) for _ in range(REPEATS)]
    for name in ("tuner's rule", "finalists only"):
        rows.append(
            explains(
                f"three runs in ten of every second configuration collapse: {name}",
                _kept(made, RULES[name]),
                "macro-F1",
            )
        )
    return rows


def _kept(made: Sequence[Made], pick: Pick) -> float:
    """Return the mean quality if a collapsed model counts 0."""
    collapsed = [{each.trial for each in search.candidates if each.health == "collapsed"} for search in made]
    picked = [pick(search.candidates) for search in made]
    worth = [
        0.0 if trial in lost else search.quality[trial]
        for trial, lost, search in zip(picked, collapsed, made, strict=True)
    ]
    return float(np.mean(worth))
