"""The state of a predictor: collapsed, weak or healthy. Uses the bounds of the gate wherever it has one."""

from __future__ import annotations

from typing import Literal

from tuner.diagnosis.facts.evidence import DecisionFacts, Evidence, LabelFacts
from tuner.pruners import gate
from tuner.scoring.measures import FEWEST_TRUE
from tuner.scoring.penalty import is_nearly_constant
from tuner.scoring.signal import FEWEST_ROWS, minority_rows
from tuner.space.task import Task
from tuner.trial.ending import Ending

State = Literal["unknown", "healthy", "weak", "partly collapsed", "collapsed", "diverged", "no signal"]

_GATE = gate.GateSettings()
_HARDLY = 0.01  # share of the rows
_NEARLY_ALL = 0.9


def is_collapsed(evidence: Evidence) -> bool:
    """Return whether a predictor shows a sign of collapse, as judged by the gate."""
    return gate.is_collapsed(signs_of(evidence), _GATE)


def signs_of(evidence: Evidence) -> gate.Signs:
    """Return the evidence as the gate reads a measurement.

    Each sign comes from the evaluated rows or, if they lack it, from the last measurement. A sign that neither has counts as
    healthy: no penalty, some skill, a good ranking, and an ordinary spread. So for decisions without probabilities, only the
    constant penalty and the skill count.
    """
    penalty, auc, skill, spread = (
        measured(evidence, name) for name in ("constant_penalty", "auc", "skill", "logit_spread")
    )
    return gate.Signs(
        epochs=0.0 if evidence.training is None else evidence.training.epochs,
        score=0.0,  # signs of collapse do not depend on it
        constant_penalty=0.0 if penalty is None else penalty,
        skill=1.0 if skill is None else skill,
        auc=1.0 if auc is None else auc,
        logit_spread=_GATE.low_logit_spread if spread is None else spread,
        is_finite=not has_diverged(evidence),
    )


def gives_one_answer(evidence: Evidence) -> bool:
    """Return whether decisions miss at least half of the variation of the truth, or probabilities hardly depend on the row."""
    return is_flat(evidence) or decides_alike(evidence)


def decides_alike(evidence: Evidence) -> bool:
    """Return whether decisions miss at least half of the variation of the truth."""
    penalty = measured(evidence, "constant_penalty")
    return penalty is not None and penalty >= _GATE.constant_penalty


def gives_mostly_one_answer(evidence: Evidence) -> bool:
    """Return whether nine in ten rows get the same decision on every label."""
    labels = () if evidence.decisions is None else evidence.decisions.labels
    if evidence.task == "multiclass":
        return any(label.decision_rate >= _NEARLY_ALL for label in labels)
    return all(not 1 - _NEARLY_ALL < label.decision_rate < _NEARLY_ALL for label in labels)


def has_few_rows(evidence: Evidence) -> bool:
    """Return whether so few evaluated rows differ from the most common answer that their ranking means nothing."""
    decisions = evidence.decisions
    if decisions is None:
        return evidence.signal is not None and evidence.signal.answer == "too few rows"
    true = [label.support for label in decisions.labels]
    return minority_rows(true, [decisions.rows - count for count in true], evidence.task) < FEWEST_ROWS


def is_flat(evidence: Evidence) -> bool:
    """Return whether the probabilities hardly depend on the row, and do not rank the rows either.

    After a few steps all probabilities are alike, but they may rank the rows well, and thresholds between them decide well.
    """
    spread, auc = measured(evidence, "logit_spread"), measured(evidence, "auc")
    if spread is None or spread >= _GATE.low_logit_spread:
        return False
    return not (auc is not None and auc >= _GATE.least_auc and has_learnt(evidence))


def is_weak(evidence: Evidence) -> bool:
    """Return whether a predictor has collapsed or diverged, has not clearly learnt, or is behind a plain model."""
    if is_collapsed(evidence) or has_diverged(evidence):
        return True
    if evidence.decisions is not None and collapsed_labels(evidence.decisions):
        return True
    return not has_learnt(evidence) or is_behind(evidence)


def has_learnt(evidence: Evidence) -> bool:
    """Return whether decisions are clearly more skilled than a guess, or outputs clearly rank better than chance.

    With two classes, even a threshold on noise has some skill over a constant answer, so skill alone does not show learning.
    If no model of the search does better than chance, this one does not either.
    """
    if evidence.signal is not None and evidence.signal.answer == "none found":
        return False
    decisions, training, plain = evidence.decisions, evidence.training, evidence.reference
    if decisions is None:
        return training is not None and (training.auc or 0.0) >= _GATE.chance_auc and (training.skill or 0.0) > 0
    floor = max(0.0, decisions.chance_skill, 0.0 if plain is None else plain.control_skill or 0.0)
    ranks = decisions.auc is not None and decisions.auc > max(_GATE.chance_auc, 0.5 + decisions.auc_margin)
    low = decisions.skill if decisions.skill_low is None else decisions.skill_low
    return low > floor or (ranks and low > 0)


def is_far_behind(evidence: Evidence) -> bool:
    """Return whether the skill over a guess is less than half the skill of a plain model."""
    plain, skill = evidence.reference, measured(evidence, "skill")
    chance = 0.0 if evidence.decisions is None else evidence.decisions.chance_skill
    return (
        is_behind(evidence) and plain is not None and skill is not None and skill - chance < (plain.skill - chance) / 2
    )


def is_behind(evidence: Evidence) -> bool:
    """Return whether a plain model on the same rows has clearly more skill."""
    plain, skill = evidence.reference, measured(evidence, "skill")
    return plain is not None and skill is not None and skill < plain.skill - plain.margin


def has_diverged(evidence: Evidence) -> bool:
    """Return whether training met a number that is not finite."""
    training = evidence.training
    return training is not None and (training.ending == Ending.DIVERGED or training.diverged_at_step is not None)


def collapsed_labels(decisions: DecisionFacts) -> list[LabelFacts]:
    """Return the labels that have enough rows to judge, but decisions that hardly vary."""
    return [label for label in decisions.labels if is_constant(label)]


def answers_the_majority(decisions: DecisionFacts, task: Task) -> bool:
    """Return whether every decision is the most frequent answer: one class or, with several labels per row, no label."""
    if not collapsed_labels(decisions) or not decisions.labels:
        return False
    if task == "multilabel":
        return all(label.decision_rate <= _HARDLY and label.prevalence <= 0.5 for label in decisions.labels)
    most = max(decisions.labels, key=lambda label: label.prevalence)
    return all(label is most or label.decision_rate <= _HARDLY for label in decisions.labels)


def is_constant(label: LabelFacts) -> bool:
    """Return whether a label is decided on so few or so many rows that its constant penalty reaches the gate's bound."""
    if label.support < FEWEST_TRUE or label.support * (1 - label.prevalence) < FEWEST_TRUE * label.prevalence:
        return False
    return is_nearly_constant(label.decision_rate, label.prevalence, penalty=_GATE.constant_penalty)


def measured(evidence: Evidence, name: str) -> float | None:
    """Return a measure of the evaluated rows or, without it, of the last measurement; None if neither has it."""
    for facts in (evidence.decisions, evidence.training):
        value: float | None = getattr(facts, name, None)
        if value is not None:
            return value
    return None
