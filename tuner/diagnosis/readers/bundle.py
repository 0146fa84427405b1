"""Evidence from a bundle's own record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.bundle.bundle_json import leading_configuration
from tuner.diagnosis.facts.data import data_facts
from tuner.diagnosis.facts.decisions import recorded_decision_facts
from tuner.diagnosis.facts.evidence import Evidence
from tuner.diagnosis.facts.reference import reference
from tuner.diagnosis.facts.training import training_facts
from tuner.scoring.signal import find_signal, gather_evidence
from tuner.show_value import show_count


def evidence_of_bundle(described: Mapping[str, Any], *, name: str) -> Evidence:
    """Return the evidence in a bundle's record; `described` is its bundle.json."""
    record, configuration = described["record"], leading_configuration(described)
    validation, health = record.get("validation"), record.get("health") or {}
    profile, baselines = record.get("profile") or {}, _baseline_rows(record.get("baselines") or (), validation or {})
    return Evidence(
        subject=f"the bundle {name}",
        task=described["task"],
        decisions=None if not validation else recorded_decision_facts(validation, profile),
        training=training_facts([health]) if health else None,
        configuration=configuration,
        data=data_facts(profile, configuration=configuration, measured=health, baselines=baselines),
        reference=reference(baselines),
        signal=find_signal(
            gather_evidence(
                described["task"],
                baselines=baselines,
                profile=profile,
                validation=validation,
                configuration=configuration,
                rankings=_rankings(record),
            )
        ),
        missing=(
            "how its training went, and its rows: give the run that made it",
            *unknown_models(len(described["members"])),
            *(() if validation else ("its decisions: give a file of its predictions with the truth",)),
        ),
    )


def unknown_models(models: int) -> tuple[str, ...]:
    """Return what is not known about a committee of some models: a diagnosis looks at the settings of the first only."""
    if models < 2:
        return ()
    return (f"the {show_count(models - 1, 'other model')} of this committee: settings are those of its best one",)


def _rankings(record: Mapping[str, Any]) -> list[float]:
    """Return AUCs of the search's measurements. A bundle keeps only the best AUC and their number, so the best is repeated."""
    rankings = record.get("rankings")
    return [float(rankings["best_auc"])] * int(rankings["reports"]) if rankings else []


def _baseline_rows(baselines: Sequence[Mapping[str, Any]], validation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rows as in baselines.json. A bundle has none by label; the champion's stand in, to estimate the noise."""
    shared = {key: validation.get(key) for key in ("labels", "rows")}
    return [
        {**row, "validation": {**row, **shared, "labels": shared["labels"] or ()}}
        for row in baselines
        if row.get("skill") is not None
    ]
