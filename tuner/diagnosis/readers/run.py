"""Evidence from a run and its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tuner.analysis.failing_settings import FAULTY
from tuner.analysis.trials import trials_of
from tuner.diagnosis.causes.diagnose import likely_causes
from tuner.diagnosis.causes.search import search_facts
from tuner.diagnosis.facts.data import data_facts
from tuner.diagnosis.facts.decisions import decision_facts, recorded_decision_facts
from tuner.diagnosis.facts.evidence import DecisionFacts, EndedBy, Evidence, Origin, TrainingFacts
from tuner.diagnosis.facts.reference import reference
from tuner.diagnosis.facts.training import training_facts
from tuner.diagnosis.readers.bundle import unknown_models
from tuner.errors import LedgerError
from tuner.ledger.longer_search import command_to_resume, command_to_search_longer
from tuner.ledger.predictions import CHAMPION, predictions_of, read_predictions
from tuner.ledger.rows import INTERRUPTED, measurements_by_trial
from tuner.ledger.run_again import arguments_to_run_again
from tuner.ledger.run_directory import Run, read_measurements
from tuner.ledger.run_space import space_of
from tuner.scoring.signal import Signal, find_signal, gather_evidence
from tuner.space.load import Space
from tuner.space.task import Task
from tuner.trial.ending import Ending

_ENDED_BY: Mapping[str, EndedBy] = {
    Ending.STOPPED: "rung",
    Ending.COLLAPSED: "gate",
    Ending.DIVERGED: "divergence",
    Ending.FAILED: "failure",
}
_Measurements = Mapping[int, Sequence[Mapping[str, Any]]]  # by trial, oldest first


def read_evidence(run: Run) -> Evidence:
    """Return `evidence_of_run`, reading the measurements and the predictions from the run's ledger."""
    try:
        predictions = read_predictions(run.location, "validation")
    except LedgerError:  # there is no champion; damaged tables are reported where the run is shown
        predictions = None
    return evidence_of_run(run, read_measurements(run.location), predictions)


def evidence_of_run(run: Run, measurements: pa.Table, predictions: pa.Table | None) -> Evidence:
    """Return the evidence about a run's champion, or about its best trial if it has none, and about the whole search.

    `predictions` are those on the validation rows, None if the run has none.
    """
    by_trial = measurements_by_trial(measurements.to_pylist())
    signal, space = _signal(run, measurements), space_of(run)
    number = run.champion.get("trial", _best_trial(run))
    row = next((row for row in run.trials if row["trial"] == number), None)
    configuration = None if row is None else json.loads(row["configuration"])
    no_decisions = "the decisions: the run has no champion yet, and the decisions of other trials are not kept"
    return Evidence(
        subject=_subject(run, number),
        task=_task(run),
        decisions=_decisions(run, predictions),
        training=_training(row, by_trial),
        configuration=configuration,
        space=space,
        origin=Origin(run_again=arguments_to_run_again(run), search_longer=_search_longer(run, space)),
        max_epochs=_max_epochs(run),
        data=data_facts(run.profile, configuration=configuration, measured=row, baselines=run.baselines),
        reference=reference(run.baselines),
        signal=signal,
        search=search_facts(trials_of(run, measurements), _trial_causes(run, by_trial, signal), space),
        missing=unknown_models(_committee_size(run)) if run.champion else (no_decisions,),
    )


def _subject(run: Run, trial: int | None) -> str:
    if run.champion:
        return f"the champion of {run.name}"
    return run.name if trial is None else f"the best trial of {run.name}"


def _committee_size(run: Run) -> int:
    """Return how many models the champion has; 0 if its description is of an older tuner, which knew no committees."""
    return len((run.champion.get("committee") or {}).get("members") or ())


def _trial_causes(run: Run, by_trial: _Measurements, signal: Signal | None) -> dict[int, str]:
    """Return the name of the most likely cause for every search trial that collapsed or diverged."""
    task, plain, names = _task(run), reference(run.baselines), {}
    for row in run.trials:
        if row["phase"] != "search" or row["ending"] not in FAULTY or not by_trial.get(row["trial"]):
            continue
        configuration = json.loads(row["configuration"])
        evidence = Evidence(
            subject=f"trial {row['trial']}",
            task=task,
            training=_training(row, by_trial),
            configuration=configuration,
            data=data_facts(run.profile, configuration=configuration, measured=row, baselines=run.baselines),
            reference=plain,
            signal=signal,
        )
        causes = likely_causes(evidence)
        names[row["trial"]] = causes[0].name if causes else "unknown"
    return names


def _best_trial(run: Run) -> int | None:
    scored = [row for row in run.trials if row["score"] is not None]
    return max(scored, key=lambda row: float(row["score"]))["trial"] if scored else None


def _training(row: Mapping[str, Any] | None, by_trial: _Measurements) -> TrainingFacts | None:
    measurements = [] if row is None else by_trial.get(row["trial"], [])
    if row is None or not measurements:
        return None
    shared = {"parameters": row.get("parameters")}
    facts = training_facts([{**shared, **measurement} for measurement in measurements], ending=row["ending"])
    return replace(facts, ended_by=_ended_by(row))


def _ended_by(row: Mapping[str, Any]) -> EndedBy | None:
    """Return what ended a trial: its ending says it, or with two endings the reason."""
    ending, reason = str(row["ending"]), str(row["reason"] or "")
    if ending in (Ending.CUT_SHORT, Ending.INTERRUPTED):
        return "interruption" if reason == INTERRUPTED else "clock"
    if ending == Ending.COMPLETED:
        return "patience" if "patience" in reason else "budget"
    return _ENDED_BY.get(ending)


def _search_longer(run: Run, space: Space | None) -> str:
    """Return the command that gives the run more time or trials, or that goes on with it; "" if there is none."""
    if run.status == "finished":
        return (command_to_search_longer(run) or "") if space is not None else ""
    return command_to_resume(run)


def _task(run: Run) -> Task:
    name = run.profile.get("task")
    if name is None:
        try:
            name = YAML(typ="safe").load(run.space).get("task")
        except (YAMLError, AttributeError):
            name = None
    tasks: tuple[Task, ...] = get_args(Task)
    return next((task for task in tasks if task == name), "multilabel")


def _max_epochs(run: Run) -> float | None:
    try:
        return float(YAML(typ="safe").load(run.space)["search"]["max_epochs"])
    except (YAMLError, KeyError, TypeError, ValueError):
        return None


def _decisions(run: Run, predictions: pa.Table | None) -> DecisionFacts | None:
    if predictions is None:
        validation = run.champion.get("validation")
        return None if not validation else recorded_decision_facts(validation, run.profile)
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


def _signal(run: Run, measurements: pa.Table) -> Signal | None:
    """Return the signal recorded with the champion, as the verdict's reason does; without one, the signal so far."""
    champion = run.champion
    if "signal" in champion:
        return Signal(**champion["signal"])
    if not run.baselines:
        return None
    evidence = gather_evidence(
        _task(run),
        baselines=run.baselines,
        profile=run.profile,
        validation=champion.get("validation"),
        test=champion.get("test"),
        configuration=champion.get("config"),
        rankings=measurements["auc"].to_pylist(),
    )
    return find_signal(evidence)
