"""The state of the champion, or of the best trial, and the likely causes if it is not healthy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.diagnosis.causes.advice import advice_by_cause
from tuner.diagnosis.causes.diagnose import Diagnosis, diagnose
from tuner.diagnosis.causes.state import State
from tuner.diagnosis.readers.run import evidence_of_run
from tuner.report.blocks import Block, Code, Heading, PageSection, Paragraph, Table, sentence
from tuner.report.material import Material
from tuner.show_value import show_measured

_MOST_NAMED = 12
_STATES: Mapping[State, str] = {
    "unknown": "has not been judged",
    "healthy": "is healthy",
    "weak": "is weak",
    "partly collapsed": "has partly collapsed",
    "collapsed": "has collapsed",
    "diverged": "has diverged",
    "no signal": "shows no signal",
}
"""What the section says about a predictor in each state."""


def make_section(material: Material) -> PageSection | None:
    """Return the diagnosis of a run, or None before the first measurement."""
    if not len(material.measurements):
        return None
    evidence = evidence_of_run(material.run, material.measurements, material.predictions.get("validation"))
    diagnosis = diagnose(evidence)
    subject = evidence.subject[0].upper() + evidence.subject[1:]
    blocks: list[Block] = [*_labels(diagnosis)]
    for place, (cause, lines) in enumerate(
        zip(diagnosis.causes, advice_by_cause(diagnosis.causes), strict=True), start=1
    ):
        origin = f" This may follow from {', '.join(map(_plain, cause.explained_by))}." if cause.explained_by else ""
        blocks.append(Heading(text=f"{place}. {_plain(cause.name)}"))
        blocks.append(Paragraph(text=f"{sentence(cause.sentence)}{origin}"))
        blocks += _measurement(cause.measurement)
        advice, *pasted = lines
        blocks += [Paragraph(text=sentence(advice)), *(Code(text=line) for line in pasted)]
    blocks += [Paragraph(text=sentence(note), tone="note") for note in (*diagnosis.notes, *diagnosis.missing)]
    lead = f"{subject} {_STATES[diagnosis.state]}: {diagnosis.sentence}."
    return PageSection(key="diagnosis", title="Diagnosis", lead=lead, blocks=blocks)


def _labels(diagnosis: Diagnosis) -> list[Paragraph]:
    names = diagnosis.labels
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [Paragraph(text=f"Collapsed labels: {', '.join(names[:_MOST_NAMED])}{more}.", tone="warning")]


def _measurement(measured: Mapping[str, Any]) -> list[Table]:
    rows = tuple((_plain(name), show_measured(value)) for name, value in measured.items())
    return [Table(columns=("measured", "value"), rows=rows, numbers=frozenset({"value"}))] if rows else []


def _plain(name: str) -> str:
    return name.replace("_", " ")
