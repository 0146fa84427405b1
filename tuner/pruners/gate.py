"""The gate in front of ASHA's rungs: which trials have collapsed or diverged.

Stock ASHA keeps collapsed trials, because they tie exactly and it stops only what is strictly below a quantile. The
gate reads a trial's reports so far and says whether the latest may enter the rungs. It is pure: history in, judgement
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import logit

from tuner.scoring.indicator import Indicator
from tuner.scoring.ranking import Probabilities

Judgement = Literal["healthy", "watched", "collapsed", "diverged"]
Sign = Literal["none", "doubtful", "likely", "certain"]


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What the gate reads of one report, made after `epochs` (training examples seen over the training split's rows).

    `logit_spread` is that of `logit_spread()`; `is_finite` says that loss, gradients and probabilities all were.
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
    """Where collapse begins. The bounds were read off recorded curves and are tested on them: see `tests/curves/README.md`.

    `chance_auc`: what ranks below it is taken for chance. `least_auc`: below it, too, what decides no better than a
    constant rule. First weights that no training has changed reach 0.58, since they tell long texts from short ones.

    `constant_penalty`: it is a half where all decisions together vary a twentieth as much as the truth does.

    `flat_logit_spread`: a spread of 0.02 in the logit is at most 0.005 in probability: one answer for every input.
    `low_logit_spread`: at 0.12, or 0.03 in probability, are the outputs of a network's first weights. `wild_logit_spread`: at
    1.5 probabilities swing from 0.18 to 0.82, as a trained network's do; if they rank by chance, the weights have been blown up.

    `auc_rise`, `spread_growth`: by how much the AUC has to rise from one report to the next, or as what multiple the
    spread has to return, for a trial not to be stuck. `reversed_auc`: what ranks worse than that and rises comes nearer to
    chance, and has learnt nothing yet.

    `least_examples`, `least_share`: no trial is ended before it has seen so many examples, or so large a share of its full
    budget where that comes first. An epoch of 700 rows is 11 steps of 64, after which many a good trial still gives one
    answer for every input.
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
    """How long a trial is left alone: before `epochs` nothing ends it but a number that is not finite, and from
    `alone_epochs` on a single report may.
    """

    epochs: float
    alone_epochs: float


def grace_of(*, grace_epochs: float, max_epochs: float, rows: int, settings: GateSettings) -> Grace:
    """Return the grace of a search with so many training rows: `grace_epochs`, and longer where rows are few.

    How many epochs a network needs to tell its inputs apart depends on their number of rows; how many examples, much less so.
    """
    enough = settings.least_examples / rows
    shortest = min(enough, settings.least_share * max_epochs)
    return Grace(epochs=max(grace_epochs, shortest), alone_epochs=max(grace_epochs, enough))


def logit_spread(probabilities: Probabilities, truth: Indicator | None = None) -> float:
    """Return the median over columns of the standard deviation over rows of the logit; arguments are (rows, labels).

    With the truth only columns in which it varies count: a label that is true of every row is rightly answered alike for all.
    If it varies in none, all do.
    """
    if truth is not None:
        varies = truth.any(axis=0) & ~truth.all(axis=0)
        probabilities = probabilities[:, varies] if varies.any() else probabilities
    # float32 saturates at 1 - 6e-8, so the clip is what keeps a saturated output finite
    logits = logit(np.clip(probabilities, 1e-7, 1 - 1e-7, dtype=np.float64))
    return float(np.median(logits.std(axis=0)))


def sign_of(signs: Signs, settings: GateSettings) -> Sign:
    """Return how surely one report shows collapse.

    AUC comes first, because it needs no threshold; skill alone clears nothing, since in binary a threshold that cuts
    through noise has some. What ranks by chance is `certain` where its decisions are nearly constant or its outputs flat
    or wild, `likely` where they are as low as those of first weights, and else `doubtful`, as a slow starter is. What ranks
    is `doubtful` where it is nearly constant, or flat and either without skill or ranking no better than first weights may: the
    next class may soon be decided for.
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
    """Return whether one report shows a sign of collapse, be it a doubtful one."""
    return sign_of(signs, settings) != "none"


def judge(history: Sequence[Signs], *, grace: Grace, settings: GateSettings) -> Judgement:
    """Judge a trial by its reports so far, oldest first; the last is the one judged.

    `diverged`: something was not finite. `healthy`: the last report shows no sign of collapse. `collapsed`, to be ended:
    the grace is over and the last two show signs, the last a certain one or without a change for the better since; or
    there is but one, and its sign is not doubtful. `watched`: all else. The trial goes on and its score stays out of the
    rungs.
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
    former = history[-2]
    if not is_collapsed(former, settings):
        return "watched"
    return "collapsed" if sign == "certain" or _is_stuck(former, latest, settings) else "watched"


def _has_seen(signs: Signs, epochs: float) -> bool:
    return signs.epochs >= epochs - 1e-9  # epochs are a quotient: 2/3 of one may fall short


def _is_chance(signs: Signs, settings: GateSettings) -> bool:
    return signs.auc < settings.chance_auc or (signs.auc < settings.least_auc and signs.skill <= 0)


def _is_stuck(former: Signs, latest: Signs, settings: GateSettings) -> bool:
    """Whether nothing has changed for the better. What is flat and decides for one answer has to grow, however it ranks."""
    is_silent = (
        latest.constant_penalty >= settings.constant_penalty and latest.logit_spread < settings.flat_logit_spread
    )
    rises = latest.auc - former.auc >= settings.auc_rise and latest.auc >= settings.reversed_auc and not is_silent
    grows = latest.logit_spread >= settings.spread_growth * former.logit_spread
    return not (rises or grows)
