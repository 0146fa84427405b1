"""Choose the champion among the models that a search has kept. A collapsed model is never chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.pruners.gate import Health
from tuner.scoring.selection import Bound, choose_champion, lower_bounds


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that a search has kept.

    `repeats` is the search trial whose configuration a finalist's run repeats. It is None for a search trial.
    """

    trial: int
    repeats: int | None
    score: float
    health: Health


@dataclass(frozen=True)
class ChampionChoice:
    """The champion, the candidates it was chosen from, and each finalist's bound by the search trial that it repeats."""

    champion: Candidate
    fit: Sequence[Candidate]
    bounds: Mapping[int, Bound]


def choose(candidates: Sequence[Candidate]) -> ChampionChoice | None:
    """Return the champion, or None if every model has collapsed.

    Doubtful models compete only if no model is healthy. The finalist with the best lower bound of its mean score wins, and
    its best run is the champion. If the best search trial scores even higher, it is the champion instead. Its score is too
    high by luck, because it is the best of many. But no other rule gives better models: luck with the validation rows makes
    a model neither better nor worse (simulated in scripts/benchmarks/trust/champion.py). A collapsed run of a finalist says
    nothing about its other runs and is left out.
    """
    fit = _fittest(candidates)
    if not fit:
        return None
    runs: dict[int, list[Candidate]] = {}
    for candidate in fit:
        if candidate.repeats is not None:
            runs.setdefault(candidate.repeats, []).append(candidate)
    bounds = lower_bounds({parent: [run.score for run in repeats] for parent, repeats in runs.items()}) if runs else {}
    winner = choose_champion(bounds) if bounds else None
    best = [] if winner is None else [max(runs[winner], key=lambda run: run.score)]
    searched = [candidate for candidate in fit if candidate.repeats is None]
    return ChampionChoice(max([*best, *searched], key=lambda candidate: candidate.score), fit, bounds)


def _fittest(candidates: Sequence[Candidate]) -> list[Candidate]:
    for health in ("healthy", "doubtful"):
        fit = [candidate for candidate in candidates if candidate.health == health]
        if fit:
            return fit
    return []
