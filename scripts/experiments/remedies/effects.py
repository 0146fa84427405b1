"""Effects from lines of results: a remedy's score minus the base's score on the same rows, and the verdict on it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experiments.remedies.catalogue import AGAIN, BASE
from experiments.results import Line, by_key

LEAST_EFFECT = 0.005  # a smaller difference of scores does not matter in practice
STANDARD_ERRORS = 2.5


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a remedy did on one set: the differences to the base, one per seed. Without any, `outcome` says why."""

    remedy: str
    group: str
    differences: tuple[float, ...] = ()
    diverged: int = 0
    seconds_ratio: float | None = None
    outcome: str = "scored"
    reason: str = ""

    @property
    def mean(self) -> float:
        """The mean difference."""
        return statistics.mean(self.differences)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the differences; None with fewer than two."""
        return statistics.stdev(self.differences) if len(self.differences) > 1 else None


@dataclass(frozen=True, kw_only=True)
class SetEffects:
    """All effects on one set. `noise` is the typical standard deviation of a difference, over all remedies."""

    name: str
    base: tuple[float, ...]  # one mean score per seed
    noise: float | None
    effects: Mapping[str, Effect]
    about: Line  # the base's own line
    vectors: frozenset[str]  # files of word vectors that remedies read

    def verdict(self, effect: Effect) -> str:
        """Return "helps", "harms" or "no difference", or "unsure" with one seed only.

        A remedy helps or harms if the mean is further from zero than 2.5 standard errors and than 0.005. The standard error
        is the larger of that of the remedy's own differences and the typical one on the set, because a few seeds that happen
        to agree prove little. A training that diverged counts as harm.
        """
        if effect.diverged:
            return "harms"
        if effect.spread is None or self.noise is None:
            return "unsure"
        error = max(effect.spread, self.noise) / math.sqrt(len(effect.differences))
        if abs(effect.mean) <= max(STANDARD_ERRORS * error, LEAST_EFFECT):
            return "no difference"
        return "helps" if effect.mean > 0 else "harms"


def effects_of(lines: Iterable[Line]) -> list[SetEffects]:
    """Return the effects on every set whose base has a score, in the order of the lines."""
    newest = list(by_key(lines).values())
    sets = dict.fromkeys(line["set"] for line in newest)
    by_set = [_effects_on(name, [line for line in newest if line["set"] == name]) for name in sets]
    return [effects for effects in by_set if effects is not None]


def _effects_on(name: str, lines: Sequence[Line]) -> SetEffects | None:
    bases: dict[int, list[Line]] = {}
    remedies: dict[str, list[Line]] = {}
    for line in lines:
        if line["remedy"] != BASE:
            remedies.setdefault(line["remedy"], []).append(line)
        elif line["outcome"] == "scored":
            bases.setdefault(line["seed"], []).append(line)
    if not bases:
        return None
    scores = {seed: statistics.mean(line["score"] for line in each) for seed, each in bases.items()}
    effects = {remedy: _effect(each, scores, bases) for remedy, each in remedies.items()}
    again = _again(bases)
    spreads = [effect.spread for effect in (again, *effects.values()) if effect.spread is not None]
    first = next(iter(bases.values()))[0]
    return SetEffects(
        name=name,
        base=tuple(scores.values()),
        noise=_usual(spreads, len(bases)) if spreads else None,
        effects=({AGAIN: again} if again.differences else {}) | effects,
        about=first,
        vectors=frozenset(line["vectors"] for line in lines if line.get("vectors")),
    )


def _effect(lines: Sequence[Line], base: Mapping[int, float], bases: Mapping[int, Sequence[Line]]) -> Effect:
    compared = [line for line in lines if line["outcome"] in ("scored", "diverged") and line["seed"] in base]
    remedy, group = lines[0]["remedy"], lines[0]["group"]
    if not compared:
        line = next((line for line in lines if line["outcome"] != "failed"), lines[0])
        return Effect(remedy=remedy, group=group, outcome=line["outcome"], reason=line.get("reason") or "")
    return Effect(
        remedy=remedy,
        group=group,
        differences=tuple(line["score"] - base[line["seed"]] for line in compared if line["outcome"] == "scored"),
        diverged=sum(line["diverged_at_step"] is not None for line in compared),
        seconds_ratio=_seconds_ratio(compared, bases),
    )


def _seconds_ratio(lines: Sequence[Line], bases: Mapping[int, Sequence[Line]]) -> float | None:
    """Return the median over seeds of the processor time of an epoch divided by the base's."""
    ratios = [
        line["processor_seconds_per_epoch"]
        / statistics.median(each["processor_seconds_per_epoch"] for each in bases[line["seed"]])
        for line in lines
        if line["processor_seconds_per_epoch"]
    ]
    return statistics.median(ratios) if ratios else None


def _again(bases: Mapping[int, Sequence[Line]]) -> Effect:
    """Return the base's first training minus the mean of its others, seed by seed: the effect of changing nothing."""
    pairs = [(each[0]["score"], [line["score"] for line in each[1:]]) for each in bases.values() if len(each) > 1]
    differences = tuple(first - statistics.mean(others) for first, others in pairs)
    return Effect(remedy=AGAIN, group="", differences=differences, seconds_ratio=1.0)


def _usual(spreads: Sequence[float], seeds: int) -> float:
    """Return the standard deviation that most remedies share, from the median of theirs.

    The median ignores remedies that make training itself unsteady. The median of a variance with k degrees of freedom is
    (1 - 2/9k)³ times the true variance (Wilson and Hilferty 1931); the result is corrected for this.
    """
    freedom = max(seeds - 1, 1)
    return statistics.median(spreads) / math.sqrt((1 - 2 / (9 * freedom)) ** 3)
