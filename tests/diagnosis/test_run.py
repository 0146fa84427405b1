"""Evidence about runs, trials, bundles and whole searches, from the ledger alone."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from builders.runs import write_run
from tuner.analysis.details import run_details
from tuner.analysis.failing_settings import collapse_map, wilson
from tuner.analysis.trials import TrialFacts, trials_of
from tuner.analysis.tried_settings import logarithmic
from tuner.diagnosis.causes.diagnose import diagnose
from tuner.diagnosis.causes.search import search_facts
from tuner.diagnosis.facts.training import training_facts
from tuner.diagnosis.readers.bundle import evidence_of_bundle
from tuner.diagnosis.readers.run import evidence_of_run, read_evidence
from tuner.ledger.predictions import read_predictions
from tuner.ledger.run_directory import read_measurements, read_run
from tuner.space.load import read_space


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def evidence(location: Path) -> Any:
    predictions = read_predictions(location, "validation")
    return evidence_of_run(read_run(location), read_measurements(location), predictions)


def test_the_champion_is_judged_by_its_predictions_on_validation(evidence: Any, location: Path) -> None:
    champion = read_run(location).champion
    assert evidence.decisions.rows == champion["validation"]["rows"]
    assert evidence.decisions.macro_f1 == pytest.approx(champion["validation"]["macro_f1"])
    assert [label.name for label in evidence.decisions.labels] == ["joy", "anger", "fear & awe", "rare"]


def test_the_champions_configuration_measurements_and_baseline_are_evidence(evidence: Any, location: Path) -> None:
    run = read_run(location)
    row = next(row for row in run.trials if row["trial"] == run.champion["trial"])
    assert evidence.configuration == json.loads(row["configuration"])
    measurements = [each for each in read_measurements(location).to_pylist() if each["trial"] == row["trial"]]
    assert (evidence.training.measurements, evidence.training.score) == (len(measurements), measurements[-1]["score"])
    assert evidence.reference.name == "tfidf + logistic regression"
    assert evidence.max_epochs == 9


def test_a_run_whose_champion_does_well_is_healthy(evidence: Any) -> None:
    assert diagnose(evidence).state == "healthy"


@pytest.mark.parametrize(
    ("ending", "reason", "ended_by"),
    [
        ("completed", None, "budget"),
        ("completed", "no better score for search.patience measurements in a row", "patience"),
        ("stopped", "below its rung at 1 epochs", "rung"),
        ("collapsed", "constant penalty 1.00", "gate"),
        ("diverged", "a number was not finite at step 7", "divergence"),
        ("interrupted", "the budget was over", "clock"),
        ("cut short", "the budget was over", "clock"),
        ("interrupted", "the run was interrupted", "interruption"),
        ("failed", "out of memory", "failure"),
        (None, None, None),
    ],
)
def test_what_ended_a_training_is_read_from_its_ending_and_reason(
    ending: str | None, reason: str | None, ended_by: str | None, location: Path
) -> None:
    run = read_run(location)
    rows = [{**row, "ending": ending, "reason": reason} for row in run.trials]
    read = evidence_of_run(replace(run, trials=rows), read_measurements(location), None)
    assert read.training is not None
    assert read.training.ended_by == ended_by


def test_the_commands_of_a_run_are_evidence(evidence: Any, location: Path) -> None:
    assert evidence.space.search.max_epochs == 9
    assert evidence.origin.run_again[:3] == ("tuner", "run", "spaces/emotions.yaml")
    assert evidence.origin.search_longer == f"tuner resume {location} --set search.time=21m"


def test_an_interrupted_run_is_given_more_by_resuming_it(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, has_champion=False, is_finished=False))
    origin = evidence_of_run(run, read_measurements(run.location), None).origin
    assert origin is not None
    assert origin.search_longer == f"tuner resume {run.location}"


def test_every_ending_of_the_search_is_counted(evidence: Any) -> None:
    assert evidence.search.trials == 90
    assert sum(evidence.search.endings.values()) == 90


def test_every_collapsed_or_diverged_trial_has_a_cause_or_is_unknown(evidence: Any) -> None:
    endings = evidence.search.endings
    assert sum(evidence.search.causes.values()) == endings["collapsed"] + endings["diverged"]


def test_settings_under_which_trials_collapse_come_with_a_cut_of_the_space(evidence: Any) -> None:
    """In the made-up run, high learning rates without clipping collapse."""
    settings = {each.parameter: each for each in evidence.search.settings}
    assert set(settings) == {"learning_rate", "clipping"}
    assert settings["clipping"].value == "none"
    assert settings["clipping"].rest == 0
    assert "space.learning_rate={low: 0.0001, high:" in settings["learning_rate"].setting


def test_diagnosis_and_report_suggest_the_same_cut_for_the_same_settings(evidence: Any, location: Path) -> None:
    run = read_run(location)
    trials = [trial for trial in trials_of(run, read_measurements(location)) if trial.phase == "search"]
    cells = collapse_map(trials, logarithmic=logarithmic(read_space(run.space).parameters))
    assert [(each.parameter, each.value) for each in sorted(evidence.search.settings, key=str)] == [
        (cell.setting.name, cell.setting.shown)
        for cell in sorted((cell for cell in cells if cell.is_worse), key=lambda cell: cell.setting.name)
    ]
    cut = run_details(run)["cut"].splitlines()[1:]
    settings = {each.parameter: shlex.split(each.setting)[1] for each in evidence.search.settings}
    assert {line.strip().replace(": ", "=", 1) for line in cut} == {
        setting.removeprefix("space.") for setting in settings.values()
    }


def test_a_run_without_a_champion_is_diagnosed_by_its_best_trial(tmp_path: Path) -> None:
    location = write_run(tmp_path, has_champion=False, has_profile=False, has_baselines=False, is_finished=False)
    evidence = evidence_of_run(read_run(location), read_measurements(location), None)
    assert evidence.subject == "the best trial of made-up"
    assert any("the run has no champion yet" in line for line in evidence.missing)
    assert evidence.search is not None
    assert evidence.search.trials == 90


def test_a_run_without_trials_is_unknown(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=0, has_champion=False, has_baselines=False, is_finished=False)
    diagnosis = diagnose(evidence_of_run(read_run(location), read_measurements(location), None))
    assert (diagnosis.state, diagnosis.causes) == ("unknown", ())


def trial(number: int, ending: str, **configuration: Any) -> TrialFacts:
    return TrialFacts(
        number=number,
        phase="search",
        parent=None,
        ending=ending,
        reason="",
        score=None,
        configuration=configuration,
        epochs=1.0,
        train_seconds=1.0,
        ended_s=1.0,
    )


def test_a_setting_is_not_blamed_for_chance() -> None:
    generator = np.random.default_rng(0)
    trials = [
        trial(n, "collapsed" if generator.random() < 0.3 else "completed", cell=str(generator.choice(["lstm", "gru"])))
        for n in range(60)
    ]
    assert search_facts(trials, {}, None).settings == ()


def test_failed_trials_are_counted_but_blame_no_setting() -> None:
    trials = [trial(n, "failed" if n % 2 else "completed", cell="gru" if n % 2 else "lstm") for n in range(40)]
    facts = search_facts(trials, {}, None)
    assert facts.endings == {"completed": 20, "failed": 20}
    assert facts.settings == ()


@pytest.mark.parametrize(
    ("faulty", "trials", "low", "high"),
    [(0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_intervals_are_those_of_the_formula(faulty: int, trials: int, low: float, high: float) -> None:
    assert wilson(faulty, trials) == pytest.approx((low, high), abs=5e-4)


def test_training_facts_skip_unknown_values() -> None:
    base = {"examples": 64, "epochs": 1.0, "steps": 5, "train_loss": 0.5}
    measurements = [
        {**base, "score": 0.1, "gate_saturation": 0.3, "gradient_norm": float("nan")},
        {**base, "examples": 128, "epochs": 2.0, "score": float("nan"), "gate_saturation": None, "diverged_at_step": 7},
    ]
    facts = training_facts(measurements, ending="diverged")
    assert (facts.steps, facts.epochs, facts.score, facts.best_score) == (10, 2.0, 0.1, 0.1)
    assert (facts.gate_saturation, facts.gradient_norm, facts.diverged_at_step) == (0.3, None, 7)


def test_a_score_that_rises_in_a_straight_line_rises_late_and_has_no_noise() -> None:
    measurements = [{"examples": n, "epochs": float(n), "score": 0.1 * n} for n in range(9)]
    facts = training_facts(measurements)
    assert facts.late_rise == pytest.approx(0.3)
    assert facts.score_noise == pytest.approx(0)


def test_a_bundle_is_judged_by_its_own_record(location: Path) -> None:
    run = read_run(location)
    baselines = [
        {"name": row["name"], "kind": row["kind"], "skill": row["validation"]["skill"]} for row in run.baselines
    ]
    described = {
        "task": "multilabel",
        "members": [{"configuration": json.loads(run.trials[0]["configuration"])}, {}, {}],
        "record": {
            "validation": run.champion["validation"],
            "health": {"gate_saturation": 0.1},
            "baselines": baselines,
            "profile": run.profile,
        },
    }
    evidence = evidence_of_bundle(described, name="champion")
    assert diagnose(evidence).state == "healthy"
    assert evidence.training is not None
    assert (evidence.training.steps, evidence.training.gate_saturation) == (0, 0.1)
    assert any("give the run" in line for line in evidence.missing)
    assert any(line.startswith("the 2 other models of this committee") for line in evidence.missing)


def test_a_committee_is_diagnosed_by_its_best_model(location: Path) -> None:
    run = read_run(location)
    members = [{"trial": number, "baseline": None, "weight": 1} for number in range(3)]
    evidence = read_evidence(replace(run, champion={**run.champion, "committee": {"members": members}}))
    assert evidence.missing == ("the 2 other models of this committee: settings are those of its best one",)


def test_the_space_is_read_a_few_times_however_many_trials_collapsed(
    location: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(location)
    trials = [{**row, "ending": "collapsed"} for row in run.trials]
    assert len(trials) > 4
    read = []

    class CountingYAML(YAML):
        def load(self, stream: Any) -> Any:
            read.append(stream)
            return super().load(stream)

    monkeypatch.setattr("tuner.diagnosis.readers.run.YAML", CountingYAML)
    evidence_of_run(replace(run, trials=trials, profile={}), read_measurements(location), None)
    assert len(read) <= 4
