"""The diagnosis: check the evidence for every registered cause, and sort the causes that apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.diagnosis.causes.advice import advise
from tuner.diagnosis.causes.cause import NAMED, Cause
from tuner.diagnosis.causes.registry import CAUSES, EXPLAINS
from tuner.diagnosis.causes.state import (
    State,
    collapsed_labels,
    gives_one_answer,
    has_diverged,
    has_few_rows,
    has_learnt,
    is_collapsed,
    is_far_behind,
    is_weak,
)
from tuner.diagnosis.causes.state_sentences import describe_state
from tuner.diagnosis.facts.evidence import Evidence
from tuner.scoring.evaluation import without_nan


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A predictor's state in a word and a sentence, its collapsed labels, and the causes, most likely first.

    `missing` lists what is not known, and how to find out.
    """

    state: State
    sentence: str
    labels: list[str]
    causes: tuple[Cause, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def diagnose(evidence: Evidence) -> Diagnosis:
    """Judge the evidence: the state, the collapsed labels, and every cause that it supports, with advice."""
    causes = tuple(advise(cause, evidence) for cause in likely_causes(evidence))
    labels = [] if evidence.decisions is None else [label.name for label in collapsed_labels(evidence.decisions)]
    state = _state(evidence, causes, labels)
    return Diagnosis(
        state=state,
        sentence=describe_state(state, evidence, labels),
        labels=labels,
        causes=causes,
        missing=(*evidence.missing, *_open_questions(evidence)),
        notes=evidence.notes,
    )


def likely_causes(evidence: Evidence) -> tuple[Cause, ...]:
    """Return every cause that the evidence supports, most likely first, without advice."""
    candidates = [cause for judge in CAUSES.values() if (cause := judge(evidence)) is not None]
    return in_order([cause for cause in candidates if cause.strength >= NAMED])


def in_order(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Sort causes, most likely first. Causes that no other cause explains come before the rest; both go by strength."""
    explained = [replace(cause, explained_by=_explained_by(cause, causes)) for cause in causes]
    return tuple(sorted(explained, key=lambda cause: (bool(cause.explained_by), -cause.strength)))


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the diagnosis as JSON values."""
    return {
        "state": diagnosis.state,
        "sentence": diagnosis.sentence,
        "labels": list(diagnosis.labels),
        "causes": [_cause_as_json(cause) for cause in diagnosis.causes],
        "missing": list(diagnosis.missing),
        "notes": list(diagnosis.notes),
    }


def _cause_as_json(cause: Cause) -> dict[str, Any]:
    described = {name: value for name, value in vars(cause).items() if name != "remedies"}
    return {**described, "measurement": without_nan(cause.measurement), "explained_by": list(cause.explained_by)}


def _explained_by(cause: Cause, causes: Sequence[Cause]) -> tuple[str, ...]:
    names = []
    for other in causes:
        is_mutual = other.name in EXPLAINS.get(cause.name, ())
        is_weaker = is_mutual and other.strength <= cause.strength
        if cause.name in EXPLAINS.get(other.name, ()) and not is_weaker:
            names.append(other.name)
    return tuple(names)


def _open_questions(evidence: Evidence) -> Sequence[str]:
    """If the predictor is weak, say why we cannot know whether there is anything to learn."""
    signal = evidence.signal
    if signal is None or signal.answer not in ("too few rows", "not seen") or not is_weak(evidence):
        return ()
    return (signal.message,)


def _state(evidence: Evidence, causes: Sequence[Cause], labels: Sequence[str]) -> State:
    if evidence.decisions is None and evidence.training is None:
        return "unknown"
    if causes and causes[0].name == "no_signal":
        return "no signal"
    if has_diverged(evidence):
        return "diverged"
    if gives_one_answer(evidence) or (is_collapsed(evidence) and not has_few_rows(evidence)):
        return "collapsed"
    if labels:
        return "partly collapsed"
    if not has_learnt(evidence) or is_far_behind(evidence) or (causes and is_weak(evidence)):
        return "weak"
    return "healthy"
