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

from tuner.scoring.ranking import Probabilities

Judgement = Literal["healthy", "watched", "collapsed", "diverged"]


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
    """Where collapse begins.

    `constant_penalty`: a half is what being constant in half of the columns costs.
    `flat_logit_spread`: a spread of 0.02 in the logit is at most 0.005 in probability, one answer for every input. Such
    outputs have collapsed unless they have skill and rank better than chance. `low_logit_spread`: at 0.1, or 0.025 in
    probability, a slow starter looks the same, so they have collapsed only if they have neither. `chance_auc`: what
    ranks below this is taken for chance.
    """

    constant_penalty: float = 0.5
    flat_logit_spread: float = 0.02
    low_logit_spread: float = 0.1
    chance_auc: float = 0.55


def logit_spread(probabilities: Probabilities) -> float:
    """Return the median over columns of the standard deviation over rows of the logit; probabilities (rows, labels)."""
    # float32 saturates at 1 - 6e-8, so the clip is what keeps a saturated output finite
    logits = logit(np.clip(probabilities, 1e-7, 1 - 1e-7, dtype=np.float64))
    return float(np.median(logits.std(axis=0)))


def is_collapsed(signs: Signs, settings: GateSettings) -> bool:
    """Return whether one report shows a collapsed predictor.

    Either its decisions are nearly constant, or its outputs hardly depend on the input. The flatter the outputs, the
    less else it takes. Skill alone cannot clear flat ones: in binary a threshold that cuts through noise has some.
    """
    if signs.constant_penalty >= settings.constant_penalty:
        return True
    has_no_skill, is_chance = signs.skill <= 0, signs.auc < settings.chance_auc
    if signs.logit_spread < settings.flat_logit_spread:
        return has_no_skill or is_chance
    return has_no_skill and is_chance and signs.logit_spread < settings.low_logit_spread


def judge(history: Sequence[Signs], *, grace_epochs: float, settings: GateSettings) -> Judgement:
    """Judge a trial by its reports so far, oldest first; the last is the one judged.

    `diverged`: something was not finite. `collapsed`: it and the report before it, if there is one, show collapse, and
    the grace is over: end the trial. `watched`: it shows collapse, but alone or within the grace: the trial goes on and
    its score stays out of the rungs. Otherwise `healthy`.
    """
    latest = history[-1]
    if not (latest.is_finite and np.isfinite(latest.score)):
        return "diverged"
    if not is_collapsed(latest, settings):
        return "healthy"
    is_within_grace = latest.epochs < grace_epochs - 1e-9  # epochs are a quotient: 2/3 of one may fall short
    is_first_sign = len(history) > 1 and not is_collapsed(history[-2], settings)
    return "watched" if is_within_grace or is_first_sign else "collapsed"
