"""The gate in front of ASHA's rungs: which trials have collapsed or diverged, and how healthy a model is.

Stock ASHA keeps collapsed trials: they tie exactly, and it stops only what is strictly below a quantile. The gate reads a
trial's measurements so far and decides whether the latest may enter the rungs. It is pure: history in, judgement out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.scoring.indicator import Indicator
from tuner.scoring.log_odds import log_odds
from tuner.scoring.ranking import Probabilities

Judgement = Literal["healthy", "watched", "collapsed", "diverged"]
Sign = Literal["none", "doubtful", "likely", "certain"]
Health = Literal["healthy", "doubtful", "collapsed"]
_HEALTHS: tuple[Health, ...] = ("collapsed", "doubtful", "healthy")
NO_MERIT = (-1, -math.inf)
"""Less than the merit of any measurement."""


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What the gate reads of one measurement.

    `epochs` are training examples seen over rows of the training split. `logit_spread` comes from `logit_spread()`.
    `is_finite` is true if the loss, the gradients and the probabilities were all finite.
    """

    epochs: float
    score: float
    constant_penalty: float
    skill: float
    auc: float
    logit_spread: float
    is_finite: bool


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """The bounds of collapse, chosen from recorded curves and tested on them. See `tests/curves/README.md`.

    AUC. Below `chance_auc` a ranking counts as chance. Below `least_auc` it also counts as chance if the decisions are no
    better than a constant rule. Untrained weights reach 0.58, because they tell long texts from short ones.

    Decisions. At a `constant_penalty` of a half all decisions together vary a twentieth as much as the truth does.

    Logit spread. `flat_logit_spread`: 0.02 in the logit is at most 0.005 in probability, one answer for every input.
    `low_logit_spread`: 0.12, or 0.03 in probability, is where the outputs of untrained weights are. `wild_logit_spread`: at
    1.5 probabilities swing from 0.18 to 0.82, as in a trained network. If such outputs rank by chance, the weights have
    blown up.

    Change. A trial is stuck unless its AUC rises by `auc_rise` or its spread grows to `spread_growth` times itself between
    two measurements. If an AUC below `reversed_auc` rises, it only comes nearer to chance. That does not count.

    Grace. No trial ends before it has seen `least_examples`, or `least_share` of its full budget if this comes first. An
    epoch of 700 rows is 11 steps of 64, after which many good trials still give one answer for every input.
    """

    chance_auc: float = 0.55
    least_auc: float = 0.6
    constant_penalty: float = 0.5
    flat_logit_spread: float = 0.02
    low_logit_spread: float = 0.12
    wild_logit_spread: float = 1.5
    auc_rise: float = 0.015
    spread_growth: float = 2.0
    reversed_auc: float = 0.47
    least_examples: int = 5000
    least_share: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Grace:
    """How long a trial is left alone.

    Before `epochs`, only a number that is not finite ends a trial. From `alone_epochs` on, a single measurement may end it.
    """

    epochs: float
    alone_epochs: float


def grace_of(*, grace_epochs: float, max_epochs: float, rows: int, settings: GateSettings) -> Grace:
    """Return the grace of a search with `rows` training rows: `grace_epochs`, or longer if there are few rows.

    The epochs that a network needs to tell inputs apart depend on the number of rows. The examples it needs hardly do.
    """
    enough = settings.least_examples / rows
    shortest = min(enough, settings.least_share * max_epochs)
    return Grace(epochs=max(grace_epochs, shortest), alone_epochs=max(grace_epochs, enough))


def logit_spread(probabilities: Probabilities, truth: Indicator | None = None) -> float:
    """Return the standard deviation of the logit over rows, as the median over columns.

    `probabilities` and `truth` are (rows, labels). With `truth`, only columns with a varying truth count: the same answer for
    every row is right for a label that every row has. If the truth varies in no column, all columns count.
    """
    if truth is not None:
        varies = truth.any(axis=0) & ~truth.all(axis=0)
        probabilities = probabilities[:, varies] if varies.any() else probabilities
    # float32 saturates at 1 - 6e-8, so clip to keep saturated outputs finite
    logits = log_odds(np.clip(probabilities, 1e-7, 1 - 1e-7, dtype=np.float64))
    return float(np.median(logits.std(axis=0)))


def sign_of(signs: Signs, settings: GateSettings) -> Sign:
    """Return how certain collapse is, judged by one measurement.

    AUC comes first, because it needs no threshold. Skill alone does not clear a model: in binary tasks, even a threshold on
    noise has some skill. If a model ranks by chance, its collapse is `certain` if its decisions are nearly constant or its
    outputs are flat or wild. It is `likely` if its outputs are as low as untrained ones. Otherwise it is `doubtful`,
    because slow starters look like this. If a model ranks better, its collapse is `doubtful` at most: if its decisions are
    nearly constant, or if its outputs are flat and it has no skill or ranks no better than untrained weights may. Such a
    model may soon learn to decide for another class.
    """
    spread = signs.logit_spread
    is_constant, is_flat = signs.constant_penalty >= settings.constant_penalty, spread < settings.flat_logit_spread
    if not _is_chance(signs, settings):
        is_weak = signs.skill <= 0 or signs.auc < settings.least_auc
        return "doubtful" if is_constant or (is_flat and is_weak) else "none"
    if is_constant or is_flat or spread >= settings.wild_logit_spread:
        return "certain"
    return "likely" if spread < settings.low_logit_spread else "doubtful"


def is_collapsed(signs: Signs, settings: GateSettings) -> bool:
    """Return whether one measurement shows any sign of collapse, even a doubtful one."""
    return sign_of(signs, settings) != "none"


def health_of(signs: Signs, settings: GateSettings) -> Health:
    """Return how healthy the model of one measurement is, which decides whether it may become the champion.

    `collapsed`: it decides nearly the same for every row, or its outputs hardly depend on the row. `doubtful`: its decisions
    vary, but it ranks rows no better than chance, as every model does if the labels do not follow from the inputs.
    """
    if not (signs.is_finite and math.isfinite(signs.score)):
        return "collapsed"
    sign = sign_of(signs, settings)
    is_flat = sign in ("likely", "certain") and signs.logit_spread < settings.low_logit_spread
    if is_flat or signs.constant_penalty >= settings.constant_penalty:
        return "collapsed"
    return "healthy" if sign == "none" else "doubtful"


def merit(signs: Signs) -> tuple[int, float]:
    """Return the sort key for the best model of a trial: health first, then the score."""
    return _HEALTHS.index(health_of(signs, GateSettings())), signs.score


def judge(history: Sequence[Signs], *, grace: Grace, settings: GateSettings) -> Judgement:
    """Judge a trial by its latest measurement, the last of `history` (oldest first).

    - `diverged`: a number was not finite.
    - `healthy`: the latest measurement shows no sign of collapse.
    - `collapsed`, which ends the trial: the grace is over and the last two measurements show signs, and the latest is
      certain or no better than the one before. A first measurement is enough if its sign is stronger than doubtful and
      `grace.alone_epochs` have passed.
    - `watched`: anything else. The trial goes on, and its score stays out of the rungs.
    """
    latest = history[-1]
    if not (latest.is_finite and np.isfinite(latest.score)):
        return "diverged"
    sign = sign_of(latest, settings)
    if sign == "none":
        return "healthy"
    if not _has_seen(latest, grace.epochs):
        return "watched"
    if len(history) == 1:
        return "collapsed" if sign != "doubtful" and _has_seen(latest, grace.alone_epochs) else "watched"
    previous = history[-2]
    if not is_collapsed(previous, settings):
        return "watched"
    return "collapsed" if sign == "certain" or _is_stuck(previous, latest, settings) else "watched"


def _has_seen(signs: Signs, epochs: float) -> bool:
    return signs.epochs >= epochs - 1e-9  # epochs are a quotient, so 2/3 of one may fall just short


def _is_chance(signs: Signs, settings: GateSettings) -> bool:
    return signs.auc < settings.chance_auc or (signs.auc < settings.least_auc and signs.skill <= 0)


def _is_stuck(previous: Signs, latest: Signs, settings: GateSettings) -> bool:
    """Return whether nothing has improved. If flat outputs give one answer, their spread must grow, whatever the ranking."""
    is_one_answer = (
        latest.constant_penalty >= settings.constant_penalty and latest.logit_spread < settings.flat_logit_spread
    )
    is_rising = (
        latest.auc - previous.auc >= settings.auc_rise and latest.auc >= settings.reversed_auc and not is_one_answer
    )
    is_growing = latest.logit_spread >= settings.spread_growth * previous.logit_spread
    return not (is_rising or is_growing)
