"""What state a predictor is in: collapsed, weak or healthy. The bounds are the gate's wherever it has one."""

from __future__ import annotations

from typing import Literal

from tuner.diagnosis.evidence import DecisionFacts, Evidence, LabelFacts
from tuner.scoring.gate import GateSettings
from tuner.scoring.measures import FEWEST_TRUE
from tuner.scoring.penalty import FREE_IMPURITY

State = Literal["unknown", "healthy", "weak", "partly collapsed", "collapsed", "diverged", "no signal"]

_GATE = GateSettings()


def is_collapsed(evidence: Evidence) -> bool:
    """Return whether decisions are constant in half of the columns, or outputs flat, as the gate judges it."""
    penalty, spread, auc, skill = _signs(evidence)
    if penalty is not None and penalty >= _GATE.constant_penalty:
        return True
    if spread is None or spread >= _GATE.low_logit_spread:
        return False
    has_no_skill = skill is None or skill <= 0
    is_chance = auc is None or auc < _GATE.chance_auc
    return has_no_skill or is_chance if spread < _GATE.flat_logit_spread else has_no_skill and is_chance


def is_flat(evidence: Evidence) -> bool:
    """Return whether the probabilities hardly depend on the row."""
    spread = _signs(evidence)[1]
    return spread is not None and spread < _GATE.low_logit_spread


def is_weak(evidence: Evidence) -> bool:
    """Return whether a predictor has collapsed or diverged, has learnt nothing for certain, or is behind a plain model."""
    if is_collapsed(evidence) or has_diverged(evidence):
        return True
    if evidence.decisions is not None and collapsed_labels(evidence.decisions):
        return True
    return not has_learnt(evidence) or is_behind(evidence)


def has_learnt(evidence: Evidence) -> bool:
    """Return whether decisions have skill above a guess's for certain, or outputs rank better than chance for certain.

    Of two classes a threshold that cuts through noise has some skill over a constant, so skill alone does not show it.
    """
    decisions, training, plain = evidence.decisions, evidence.training, evidence.reference
    if decisions is None:
        return training is not None and (training.auc or 0.0) >= _GATE.chance_auc and (training.skill or 0.0) > 0
    floor = max(0.0, decisions.chance_skill, 0.0 if plain is None else plain.control_skill or 0.0)
    ranks = decisions.auc is not None and decisions.auc > max(_GATE.chance_auc, 0.5 + decisions.auc_margin)
    low = decisions.skill if decisions.skill_low is None else decisions.skill_low
    return low > floor or (ranks and low > 0)


def is_far_behind(evidence: Evidence) -> bool:
    """Return whether less than half of what a plain model learns over a guess is learnt."""
    plain, skill = evidence.reference, _signs(evidence)[3]
    chance = 0.0 if evidence.decisions is None else evidence.decisions.chance_skill
    return (
        is_behind(evidence) and plain is not None and skill is not None and skill - chance < (plain.skill - chance) / 2
    )


def is_behind(evidence: Evidence) -> bool:
    """Return whether a plain model on the same rows has clearly more skill."""
    plain, skill = evidence.reference, _signs(evidence)[3]
    return plain is not None and skill is not None and skill < plain.skill - plain.margin


def has_diverged(evidence: Evidence) -> bool:
    """Return whether training met a number that is not finite."""
    training = evidence.training
    return training is not None and (training.ending == "diverged" or training.diverged_at_step is not None)


def collapsed_labels(decisions: DecisionFacts) -> list[LabelFacts]:
    """Return the labels with rows enough to judge by whose decisions hardly vary."""
    return [label for label in decisions.labels if is_constant(label)]


def is_constant(label: LabelFacts) -> bool:
    """Return whether a label is decided on so few or so many rows that its share of the constant penalty is a half."""
    if label.support < FEWEST_TRUE or label.prevalence >= 1:
        return False
    truth = label.prevalence * (1 - label.prevalence)
    decided = label.decision_rate * (1 - label.decision_rate)
    return decided / truth < FREE_IMPURITY * (1 - _GATE.constant_penalty)


def _signs(evidence: Evidence) -> tuple[float | None, float | None, float | None, float | None]:
    """The constant penalty, the spread of logits, AUC and skill: of the judged rows, else of the last report."""
    best = evidence.decisions or evidence.training
    return (
        (None, None, None, None) if best is None else (best.constant_penalty, best.logit_spread, best.auc, best.skill)
    )
