"""What state the champion is in, or the best trial, and the likely causes where it is not well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.diagnosis.causes.diagnose import Diagnosis, diagnose
from tuner.diagnosis.readers.run import evidence_of_run
from tuner.report.blocks import Block, Code, Heading, Section, Table, Text, sentence, shown_value
from tuner.report.material import Material

_MOST_NAMED = 12


def causes_section(material: Material) -> Section | None:
    """Return the diagnosis of a run; None before a trial has come to a report."""
    if not len(material.reports):
        return None
    evidence = evidence_of_run(material.run, material.reports, material.predictions.get("validation"))
    diagnosis = diagnose(evidence)
    subject = evidence.subject[0].upper() + evidence.subject[1:]
    blocks: list[Block] = [*_labels(diagnosis)]
    for place, cause in enumerate(diagnosis.causes, start=1):
        because = f" It may come from {', '.join(map(_plain, cause.explained_by))}." if cause.explained_by else ""
        blocks.append(Heading(text=f"{place}. {_plain(cause.name)}"))
        blocks.append(Text(text=f"{sentence(cause.sentence)}{because}"))
        blocks += _measurement(cause.measurement)
        if cause.advice:
            blocks.append(Text(text=sentence(cause.advice)))
        if cause.setting:
            blocks.append(Code(text=f"tuner run SPACE {cause.setting}"))
    blocks += [Text(text=sentence(told), tone="note") for told in (*diagnosis.notes, *diagnosis.missing)]
    lead = f"{subject} is {diagnosis.state}: {diagnosis.sentence}."
    return Section(key="diagnosis", title="Diagnosis", lead=lead, blocks=blocks)


def _labels(diagnosis: Diagnosis) -> list[Text]:
    names = diagnosis.labels
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [Text(text=f"Collapsed labels: {', '.join(names[:_MOST_NAMED])}{more}.", tone="warning")]


def _measurement(measured: Mapping[str, Any]) -> list[Table]:
    rows = tuple((_plain(name), _shown(value)) for name, value in measured.items())
    return [Table(columns=("measured", "value"), rows=rows, numbers=frozenset({"value"}))] if rows else []


def _shown(value: Any) -> str:
    if isinstance(value, float) and value and abs(value) < 0.001:
        return f"{value:.2g}".replace("-", "−", 1) if value < 0 else f"{value:.2g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    return shown_value(value)


def _plain(name: str) -> str:
    return name.replace("_", " ")
