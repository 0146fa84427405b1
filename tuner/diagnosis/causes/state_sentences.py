"""A predictor's state in a sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tuner.diagnosis.causes.state import (
    State,
    decides_alike,
    gives_mostly_one_answer,
    gives_one_answer,
    has_few_rows,
    is_behind,
    is_flat,
    signs_of,
)
from tuner.diagnosis.facts.evidence import Evidence


def describe_state(state: State, evidence: Evidence, labels: Sequence[str]) -> str:
    """Describe the state of the evidence; `labels` names the collapsed labels."""
    return _SENTENCES[state](evidence, labels)


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
        return "too few evaluated rows differ from the most common answer to show whether it has learnt anything"
    if plain is not None and skill < plain.skill - plain.margin:
        return f"it has not collapsed, but its skill of {skill:+.3f} is behind {plain.name}'s {plain.skill:+.3f}"
    guess = 0.0 if evidence.decisions is None else evidence.decisions.chance_skill
    if guess > 0:
        return (
            f"it has not collapsed, but it is not clearly better than a guess by prevalence (skill {skill:+.3f}; "
            f"the guess has {guess:+.3f})"
        )
    return f"it has not collapsed, but it is not clearly better than constant answers (skill {skill:+.3f})"


def _partly_collapsed(evidence: Evidence, labels: Sequence[str]) -> str:
    total = 0 if evidence.decisions is None else len(evidence.decisions.labels)
    return f"{len(labels)} of {total} labels get the same decision for nearly every row"


def _collapsed(evidence: Evidence, labels: Sequence[str]) -> str:
    if not (labels or gives_one_answer(evidence)):
        return f"it ranks rows hardly better than chance: AUC {signs_of(evidence).auc:.3f}"
    if not labels and evidence.decisions is not None and is_flat(evidence) and not decides_alike(evidence):
        return "nearly every row gets the same probability, and the ranking of the rows is hardly better than chance"
    total = 0 if evidence.decisions is None else len(evidence.decisions.labels)
    share = f" ({len(labels)} of {total} labels)" if labels else ""
    if labels and len(labels) < total and not is_flat(evidence):
        return f"on the labels that vary most, it gives one answer for nearly every row{share}"
    if evidence.decisions is not None and decides_alike(evidence) and not gives_mostly_one_answer(evidence):
        return f"its decisions vary less than half as much as the truth does{share}"
    return f"it gives one answer for nearly every row{share}"


def _diverged(evidence: Evidence, _labels: Sequence[str]) -> str:
    step = None if evidence.training is None else evidence.training.diverged_at_step
    return (
        f"training met a number that is not finite{'' if step is None else f' at step {step:,}'}, so there is no model"
    )


def _no_signal(evidence: Evidence, _labels: Sequence[str]) -> str:
    assert evidence.signal is not None  # this state is read from it
    return evidence.signal.sentence


def _unknown(_evidence: Evidence, _labels: Sequence[str]) -> str:
    return "nothing has been measured yet"


_SENTENCES: Mapping[State, Callable[[Evidence, Sequence[str]], str]] = {
    "unknown": _unknown,
    "healthy": _healthy,
    "weak": _weak,
    "partly collapsed": _partly_collapsed,
    "collapsed": _collapsed,
    "diverged": _diverged,
    "no signal": _no_signal,
}
