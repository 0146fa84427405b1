"""Which of the models that a search has kept becomes the champion: never a collapsed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.pruners.gate import Health
from tuner.scoring.selection import Bound, champion, lower_bounds


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that a search has kept.

    `repeats` is the search trial whose configuration a finalist's run repeats; None for a search trial itself.
    """

    trial: int
    repeats: int | None
    score: float
    health: Health


@dataclass(frozen=True)
class Choice:
    """The champion, those that it was chosen among, and the finalists' bounds by the search trial that each repeats."""

    champion: Candidate
    fit: Sequence[Candidate]
    bounds: Mapping[int, Bound]


def choose(candidates: Sequence[Candidate]) -> Choice | None:
    """Return the champion, or None where every model has collapsed.

    Healthy models come before doubtful ones. Among finalists the one with the best lower bound of its mean score wins, and of
    its runs the best. The best search trial takes its place where its score is higher still. Being the best of many flatters
    that score, but no other choice gives better models: what flatters it is luck with the validation rows, which adds nothing
    to a model and takes nothing from it (simulated in scripts/benchmarks/trust/champion.py). A run that gave no such model
    says nothing of those that did, and is left out.
    """
    fit = _fittest(candidates)
    if not fit:
        return None
    runs: dict[int, list[Candidate]] = {}
    for each in fit:
        if each.repeats is not None:
            runs.setdefault(each.repeats, []).append(each)
    bounds = lower_bounds({parent: [run.score for run in own] for parent, own in runs.items()}) if runs else {}
    winner = champion(bounds) if bounds else None
    best = [] if winner is None else [max(runs[winner], key=lambda run: run.score)]
    searched = [each for each in fit if each.repeats is None]
    return Choice(max([*best, *searched], key=lambda each: each.score), fit, bounds)


def _fittest(candidates: Sequence[Candidate]) -> list[Candidate]:
    for health in ("healthy", "doubtful"):
        fit = [each for each in candidates if each.health == health]
        if fit:
            return fit
    return []
