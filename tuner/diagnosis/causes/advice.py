"""Choose the remedy of a cause: the first that brings anything that is not there, and what to paste for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.diagnosis.causes.cause import Cause, Remedy, Step
from tuner.diagnosis.causes.known_settings import KnownSettings
from tuner.diagnosis.facts.evidence import Evidence
from tuner.ledger.run_again import with_settings
from tuner.space.assignment import assignment, set_option

_IS_THERE = (
    "the space has the settings that usually help already, so give the search more time or more trials to find them"
)


def advise(cause: Cause, evidence: Evidence) -> Cause:
    """Return the cause with its advice. Settings that equal, or only narrow, what is there are left out.

    If the space has all of them, the advice is to search longer, where a command for that is known.
    """
    known = KnownSettings.of(evidence)
    longer = "" if evidence.origin is None else evidence.origin.search_longer
    for remedy in cause.remedies:
        if remedy.searches_longer:
            if longer:
                return replace(cause, advice=remedy.sentence, command=longer)
        elif kept := _helpful(remedy, known):
            return _with_settings(cause, kept, evidence)
        elif remedy.sentence:
            is_left = longer and _has_untried(cause, known)
            return (
                replace(cause, advice=_IS_THERE, command=longer) if is_left else replace(cause, advice=remedy.sentence)
            )
    return cause


def advice_lines(cause: Cause | Mapping[str, Any]) -> list[str]:
    """Return the advice, and what to paste for it if there is anything.

    The cause may also be one of those in a diagnosis as JSON.
    """
    described = _described(cause)
    return [line for line in (described["advice"], described["command"] or described["setting"]) if line]


def advice_by_cause(causes: Sequence[Cause | Mapping[str, Any]]) -> list[list[str]]:
    """Return the advice lines of each cause. Where they are those of an earlier cause, one line refers to it.

    Every verb and the report print these lines.
    """
    given: dict[tuple[str, ...], str] = {}
    shown = []
    for cause in causes:
        lines, name = advice_lines(cause), str(_described(cause)["name"]).replace("_", " ")
        first = given.setdefault(tuple(lines), name)
        shown.append(lines if first == name or not lines else [f"the advice for {first} is the advice here too"])
    return shown


def _described(cause: Cause | Mapping[str, Any]) -> Mapping[str, Any]:
    return vars(cause) if isinstance(cause, Cause) else cause


def _helpful(remedy: Remedy, known: KnownSettings) -> list[Step]:
    """Return the steps that bring something new and that the space accepts together."""
    new = [step for step in remedy.steps if known.lacks(step.key, step.value)]
    accepted: list[Step] = []
    for step in new:
        if known.accept({each.key: each.value for each in [*accepted, step]}):
            accepted.append(step)
    return accepted


def _with_settings(cause: Cause, kept: Sequence[Step], evidence: Evidence) -> Cause:
    settings = [assignment(step.key, step.value) for step in kept]
    command = "" if evidence.origin is None else with_settings(evidence.origin.run_again, settings)
    setting = " ".join(set_option(step.key, step.value) for step in kept)
    return replace(cause, setting=setting, command=command, advice=_listed([step.does for step in kept if step.does]))


def _has_untried(cause: Cause, known: KnownSettings) -> bool:
    """Return whether the space offers a setting of a remedy that this model was not trained with."""
    steps = [step for remedy in cause.remedies for step in remedy.steps]
    return any(not known.lacks(step.key, step.value) and not known.follows(step.key, step.value) for step in steps)


def _listed(phrases: Sequence[str]) -> str:
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
