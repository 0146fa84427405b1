"""Evidence of a run, of its trials, and of a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tuner.analysis.failing_settings import FAULTY
from tuner.analysis.trials import trials_of
from tuner.diagnosis.causes.find import diagnose
from tuner.diagnosis.causes.search import search_facts
from tuner.diagnosis.facts.data import data_facts
from tuner.diagnosis.facts.decisions import decision_facts
from tuner.diagnosis.facts.evidence import DecisionFacts, Evidence, LabelFacts, TrainingFacts
from tuner.diagnosis.facts.reference import reference
from tuner.diagnosis.facts.training import training_facts
from tuner.errors import LedgerError, SpaceError
from tuner.ledger.predictions import CHAMPION, predictions_of, read_predictions
from tuner.ledger.rows import measurements_by_trial
from tuner.ledger.run_directory import Run, read_measurements
from tuner.scoring.signal import Signal, find_signal, gather_evidence
from tuner.space.load import Space, read_space
from tuner.space.settings import Task


def evidence_of_run(run: Run, measurements: pa.Table, predictions: pa.Table | None) -> Evidence:
    """Return the evidence of a run's champion, or of its best trial where it has none, and of its search as a whole.

    `reports` is the ledger's table, `predictions` that of validation, None where the run has none.
    """
    by_trial = measurements_by_trial(measurements.to_pylist())
    champion = run.champion
    number = champion.get("trial", _best_trial(run))
    row = next((row for row in run.trials if row["trial"] == number), None)
    missing = (
        () if champion else ("what is decided: the run has no champion yet, and other trials' decisions are not kept",)
    )
    best = f"the best trial of {run.name}" if number is not None else run.name
    training = _training(row, by_trial)
    signal = _signal(run, measurements)
    return Evidence(
        subject=f"the champion of {run.name}" if champion else best,
        task=_task(run),
        decisions=_decisions(run, predictions),
        training=training,
        configuration=None if row is None else json.loads(row["configuration"]),
        max_epochs=_max_epochs(run),
        data=data_facts(
            run.profile,
            configuration=None if row is None else json.loads(row["configuration"]),
            measured=row,
            baselines=run.baselines,
        ),
        reference=reference(run.baselines),
        signal=signal,
        search=search_facts(trials_of(run, measurements), trial_causes(run, by_trial, signal), _space(run)),
        missing=missing,
    )


def read_evidence(run: Run) -> Evidence:
    """Return `evidence_of_run` of a run, with its reports and predictions read from its ledger."""
    try:
        predictions = read_predictions(run.location, "validation")
    except LedgerError:  # a run without a champion has none; damaged ones are named where the run is shown
        predictions = None
    return evidence_of_run(run, read_measurements(run.location), predictions)


def trial_causes(
    run: Run, by_trial: Mapping[int, Sequence[Mapping[str, Any]]], signal: Signal | None
) -> dict[int, str]:
    """Return the name of the likeliest cause of every search trial that collapsed or diverged."""
    plain, causes = reference(run.baselines), {}
    for row in run.trials:
        if row["phase"] != "search" or row["ending"] not in FAULTY or not by_trial.get(row["trial"]):
            continue
        configuration = json.loads(row["configuration"])
        evidence = Evidence(
            subject=f"trial {row['trial']}",
            task=_task(run),
            training=_training(row, by_trial),
            configuration=configuration,
            data=data_facts(run.profile, configuration=configuration, measured=row, baselines=run.baselines),
            reference=plain,
            signal=signal,
        )
        found = diagnose(evidence).causes
        causes[row["trial"]] = found[0].name if found else "unknown"
    return causes


def evidence_of_bundle(described: Mapping[str, Any], *, name: str) -> Evidence:
    """Return what a bundle's own record tells; `described` is its bundle.json."""
    record, configuration = described["record"], described["configuration"]
    validation, health = record.get("validation"), record.get("health") or {}
    profile, baselines = record.get("profile") or {}, _as_rows(record.get("baselines") or (), validation or {})
    return Evidence(
        subject=f"the bundle {name}",
        task=described["task"],
        decisions=None if not validation else _measured(validation, profile),
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
            "the course of its training and its rows: give the run that it came from",
            *(() if validation else ("what it decides: give a file of its predictions with the truth",)),
        ),
    )


def _rankings(record: Mapping[str, Any]) -> list[float]:
    """The AUCs of a search's reports, as far as a bundle has them: the best, as often as there were reports."""
    known = record.get("rankings")
    return [float(known["best_auc"])] * int(known["reports"]) if known else []


def _best_trial(run: Run) -> int | None:
    scored = [row for row in run.trials if row["score"] is not None]
    return max(scored, key=lambda row: float(row["score"]))["trial"] if scored else None


def _training(
    row: Mapping[str, Any] | None, by_trial: Mapping[int, Sequence[Mapping[str, Any]]]
) -> TrainingFacts | None:
    own = [] if row is None else by_trial.get(row["trial"], [])
    if row is None or not own:
        return None
    shared = {"parameters": row.get("parameters")}
    return training_facts([{**shared, **measurement} for measurement in own], ending=row["ending"])


def _task(run: Run) -> Task:
    known = run.profile.get("task")
    if known is None:
        try:
            known = YAML(typ="safe").load(run.space).get("task")
        except (YAMLError, AttributeError):
            known = None
    tasks: tuple[Task, ...] = get_args(Task)
    return next((task for task in tasks if task == known), "multilabel")


def _space(run: Run) -> Space | None:
    """The space of the run; None where this version cannot read it."""
    try:
        return read_space(run.space)
    except SpaceError:
        return None


def _max_epochs(run: Run) -> float | None:
    try:
        return float(YAML(typ="safe").load(run.space)["search"]["max_epochs"])
    except (YAMLError, KeyError, TypeError, ValueError):
        return None


def _decisions(run: Run, predictions: pa.Table | None) -> DecisionFacts | None:
    if predictions is None:
        validation = run.champion.get("validation")
        return None if not validation else _measured(validation, run.profile)
    labels = _label_names(run)
    if not labels:
        return None
    champion = predictions_of(CHAMPION, predictions, len(labels))
    if not len(champion.rows):
        return None
    return decision_facts(
        champion.decisions,
        champion.probabilities,
        champion.truth,
        task=_task(run),
        labels=labels,
        blocks=champion.blocks,
        train_rows=run.profile["splits"]["train"]["labels"] if run.profile else None,
    )


def _label_names(run: Run) -> list[str]:
    data = run.environment.get("data") or {}
    return list(data.get("labels") or (run.profile["splits"]["train"]["labels"] if run.profile else ()))


def _measured(measured: Mapping[str, Any], profile: Mapping[str, Any]) -> DecisionFacts:
    """Facts from measures as champion.json and a bundle have them, without the rows behind them."""
    train_rows = profile["splits"]["train"]["labels"] if profile else {}
    skill = measured.get("skill_ci") or [None, None]
    names = ("support", "prevalence", "decision_rate", "f1", "auc", "average_precision")
    return DecisionFacts(
        rows=measured["rows"],
        labels=tuple(
            LabelFacts(
                name=row["label"], **{name: row[name] for name in names}, train_rows=train_rows.get(row["label"])
            )
            for row in measured["labels"]
        ),
        macro_f1=measured["macro_f1"],
        constant_penalty=measured["constant_penalty"],
        skill=measured["skill"],
        skill_low=skill[0],
        skill_high=skill[1],
        auc=measured.get("auc"),
        average_precision=measured.get("average_precision"),
    )


def _as_rows(baselines: Sequence[Mapping[str, Any]], validation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows as in baselines.json, of those in a bundle, which lack measures by label: the champion's tell the noise."""
    shared = {key: validation.get(key) for key in ("labels", "rows")}
    return [
        {**row, "validation": {**row, **shared, "labels": shared["labels"] or ()}}
        for row in baselines
        if row.get("skill") is not None
    ]


def _signal(run: Run, measurements: pa.Table) -> Signal | None:
    """What the verdict's reason says too: it is kept with the champion. Without one, what is known so far."""
    champion = run.champion
    if "signal" in champion:
        return Signal(**champion["signal"])
    if not run.baselines:
        return None
    looks = gather_evidence(
        _task(run),
        baselines=run.baselines,
        profile=run.profile,
        validation=champion.get("validation"),
        test=champion.get("test"),
        configuration=champion.get("config"),
        rankings=measurements["auc"].to_pylist(),
    )
    return find_signal(looks)
