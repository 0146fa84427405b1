"""The registry of causes, which of them explain which, and the diagnosis: evidence in, causes in order out.

A cause is one function of the evidence and one line in CAUSES. It returns None where the evidence says nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.diagnosis.causes import optimisation, outputs, rows
from tuner.diagnosis.causes.cause import NAMED, Cause
from tuner.diagnosis.causes.state import (
    State,
    collapsed_labels,
    gives_one_answer,
    has_diverged,
    has_few_rows,
    has_learnt,
    is_behind,
    is_collapsed,
    is_far_behind,
    is_flat,
    is_weak,
    signs_of,
)
from tuner.diagnosis.facts.evidence import Evidence
from tuner.scoring.evaluation import without_nan

CAUSES: Mapping[str, Callable[[Evidence], Cause | None]] = {
    "no_signal": rows.no_signal,
    "unshared_words": rows.unshared_words,
    "conflicting_duplicates": rows.conflicting_duplicates,
    "empty_rows": rows.empty_rows,
    "unknown_words": rows.unknown_words,
    "truncation": rows.truncation,
    "learning_rate_too_high": optimisation.learning_rate_too_high,
    "learning_rate_too_low": optimisation.learning_rate_too_low,
    "too_short": optimisation.too_short,
    "too_much_regularisation": optimisation.too_much_regularisation,
    "exploding_gradients": optimisation.exploding_gradients,
    "vanishing_gradients": optimisation.vanishing_gradients,
    "saturated_gates": optimisation.saturated_gates,
    "dead_units": optimisation.dead_units,
    "threshold": outputs.threshold,
    "imbalance": outputs.imbalance,
    "constant_decision": outputs.constant_decision,
    "flat_probabilities": outputs.flat_probabilities,
}

_SHOWN_IN_OUTPUTS = ("flat_probabilities", "constant_decision", "imbalance", "threshold")
_SHOWN_IN_TRAINING = (
    "vanishing_gradients",
    "saturated_gates",
    "dead_units",
    "too_short",
    "learning_rate_too_low",
    "too_much_regularisation",
)

EXPLAINS: Mapping[str, Sequence[str]] = {
    # What cannot be learnt is not learnt, however the training is set.
    "conflicting_duplicates": ("no_signal", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "empty_rows": ("no_signal", "conflicting_duplicates", "unknown_words", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "unshared_words": ("no_signal", "unknown_words", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "no_signal": ("learning_rate_too_high", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    # What is not read is not learnt, and rows that read alike have no gradient that tells them apart.
    "unknown_words": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "truncation": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    # Weights that jump end where gates have no slope; the loss then has gradients of any size.
    "learning_rate_too_high": (
        "exploding_gradients", "too_much_regularisation", "vanishing_gradients", "saturated_gates", "dead_units", "too_short",
        *_SHOWN_IN_OUTPUTS,
    ),
    "exploding_gradients": (
        "learning_rate_too_high", "vanishing_gradients", "saturated_gates", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS,
    ),
    # Weights that stay where they began still have small gradients, quiet units and a score that rises slowly.
    "learning_rate_too_low": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "too_short": _SHOWN_IN_OUTPUTS,
    # Weights that are pulled to zero let nothing through, forwards or backwards.
    "too_much_regularisation": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "saturated_gates": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "vanishing_gradients": ("dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "dead_units": _SHOWN_IN_OUTPUTS,
    # Labels that are hardly ever seen leave a low score, which may also rise late, whatever the gates do.
    "imbalance": ("constant_decision", "too_short", "saturated_gates", "dead_units"),
    "threshold": ("constant_decision",),
}  # fmt: skip
"""What each cause brings about. Of two that each explain the other, the stronger does."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What state a predictor is in, in a word and a sentence; its collapsed labels; and causes, likeliest first.

    `missing` says what could be told with more, `search` is that of the evidence.
    """

    state: State
    sentence: str
    labels: list[str]
    causes: tuple[Cause, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def diagnose(evidence: Evidence) -> Diagnosis:
    """Judge the evidence: state, collapsed labels, and every cause that it speaks for."""
    found = [cause for find in CAUSES.values() if (cause := find(evidence)) is not None]
    causes = in_order([cause for cause in found if cause.strength >= NAMED])
    labels = [] if evidence.decisions is None else [label.name for label in collapsed_labels(evidence.decisions)]
    state = _state(evidence, causes, labels)
    return Diagnosis(
        state=state,
        sentence=_SENTENCES[state](evidence, labels),
        labels=labels,
        causes=causes,
        missing=(*evidence.missing, *_not_told(evidence)),
        notes=evidence.notes,
    )


def _not_told(evidence: Evidence) -> Sequence[str]:
    """Why it is not known whether there is anything to learn, where that is the question."""
    signal = evidence.signal
    if signal is None or signal.answer not in ("too few rows", "not seen") or not is_weak(evidence):
        return ()
    return (signal.message,)


def in_order(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Return causes with the likeliest first: those that no other one explains, then the rest; each by strength."""
    explained = {cause.name: _explained_by(cause, causes) for cause in causes}
    told = [replace(cause, explained_by=explained[cause.name]) for cause in causes]
    return tuple(sorted(told, key=lambda cause: (bool(cause.explained_by), -cause.strength)))


def _explained_by(cause: Cause, causes: Sequence[Cause]) -> tuple[str, ...]:
    names = []
    for other in causes:
        is_mutual = other.name in EXPLAINS.get(cause.name, ())
        is_weaker = is_mutual and other.strength <= cause.strength
        if cause.name in EXPLAINS.get(other.name, ()) and not is_weaker:
            names.append(other.name)
    return tuple(names)


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


def _healthy(evidence: Evidence, _labels: Sequence[str]) -> str:
    facts, plain = evidence.decisions, evidence.reference
    skill = "" if facts is None else f": macro-F1 {facts.macro_f1:.3f}, {facts.skill:+.3f} over constant answers"
    if plain is None:
        return f"decisions vary as the truth does{skill}"
    other = f"{plain.name}: {plain.skill:+.3f}"
    return f"decisions vary as the truth does{skill} ({f'behind {other}' if is_behind(evidence) else other})"


def _weak(evidence: Evidence, _labels: Sequence[str]) -> str:
    facts, plain = evidence.decisions or evidence.training, evidence.reference
    skill = 0.0 if facts is None or facts.skill is None else facts.skill
    if has_few_rows(evidence):
        return "too few of the judged rows have another answer than the commonest to tell whether it has learnt"
    if plain is not None and skill < plain.skill - plain.margin:
        return f"it has not collapsed, but its skill of {skill:+.3f} is behind {plain.name}'s {plain.skill:+.3f}"
    return f"it has not collapsed, but has no skill over constant answers for certain ({skill:+.3f})"


def _some(evidence: Evidence, labels: Sequence[str]) -> str:
    total = 0 if evidence.decisions is None else len(evidence.decisions.labels)
    return f"{len(labels)} of {total} labels are decided the same for nearly every row"


def _collapsed(evidence: Evidence, labels: Sequence[str]) -> str:
    if not (labels or gives_one_answer(evidence)):
        return f"it ranks rows hardly better than chance: AUC {signs_of(evidence).auc:.3f}"
    total = 0 if evidence.decisions is None else len(evidence.decisions.labels)
    if labels and len(labels) < total and not is_flat(evidence):
        return f"on most of what varies it gives one answer for nearly every row: {_some(evidence, labels)}"
    return f"it gives one answer for nearly every row{f': {_some(evidence, labels)}' if labels else ''}"


def _diverged(evidence: Evidence, _labels: Sequence[str]) -> str:
    step = None if evidence.training is None else evidence.training.diverged_at_step
    return f"a number was not finite{'' if step is None else f' at step {step:,}'}, so there is no model"


def _no_signal(evidence: Evidence, _labels: Sequence[str]) -> str:
    assert evidence.signal is not None  # the cause is read off it
    return evidence.signal.sentence


def _unknown(_evidence: Evidence, _labels: Sequence[str]) -> str:
    return "nothing has been measured of it yet"


_SENTENCES: Mapping[State, Callable[[Evidence, Sequence[str]], str]] = {
    "unknown": _unknown,
    "healthy": _healthy,
    "weak": _weak,
    "partly collapsed": _some,
    "collapsed": _collapsed,
    "diverged": _diverged,
    "no signal": _no_signal,
}


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the diagnosis as JSON values."""
    return {
        "state": diagnosis.state,
        "sentence": diagnosis.sentence,
        "labels": list(diagnosis.labels),
        "causes": [
            {**vars(cause), "measurement": without_nan(cause.measurement), "explained_by": list(cause.explained_by)}
            for cause in diagnosis.causes
        ],
        "missing": list(diagnosis.missing),
        "notes": list(diagnosis.notes),
    }
