"""What to do next with a run, for every verdict and every way a search can end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.runs import write_run
from tuner.analysis.next_steps import next_steps
from tuner.ledger.longer_search import command_to_search_longer
from tuner.ledger.run_directory import Run, read_run

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs of mine")
    return read_run(write_run(folder, trials=20))


def judged(run: Run, verdict: str, *, ahead: tuple[float, float] | None = None, **manifest: Any) -> Run:
    """Return the run with another verdict, and with another interval of its lead over the linear baseline."""
    champion = json.loads(json.dumps(run.champion))
    champion["verdict"] = verdict
    for row in champion["test_baselines"]:
        if ahead is not None and row["name"].startswith("tfidf"):
            row |= {"champion_ahead": sum(ahead) / 2, "champion_ahead_ci": list(ahead)}
    return replace(run, champion=champion, manifest={**run.manifest, **manifest})


def commands(run: Run) -> list[str]:
    return [step.command for step in next_steps(run)]


def test_a_champion_that_beats_the_baselines_is_used_scored_and_may_be_searched_on(finished: Run) -> None:
    run = shlex.quote(finished.location)
    assert commands(finished) == [
        f"tuner predict {run} DATA --out preds.parquet",
        f"tuner evaluate {run} DATA",
        str(command_to_search_longer(finished)),
    ]
    assert "the column 'text'" in next_steps(finished)[0].sentence


@pytest.mark.parametrize(
    ("ahead", "relation", "is_champion_named"),
    [((-0.1, 0.02), "does as well on test, and is simpler: use it", True), ((-0.2, -0.1), "is better on test", False)],
)
def test_a_baseline_that_is_not_beaten_comes_first_and_then_a_longer_search(
    finished: Run, ahead: tuple[float, float], relation: str, is_champion_named: bool
) -> None:
    run = judged(finished, "no_better_than_baseline", ahead=ahead)
    steps = next_steps(run)
    assert steps[0].sentence.startswith(f"tfidf + logistic regression {relation}")
    place = shlex.quote(run.location)
    assert steps[0].command == f"tuner predict {place} DATA --baseline tfidf --out preds.parquet"
    assert steps[1].command == command_to_search_longer(run)
    assert (f"tuner predict {place} DATA --out preds.parquet" in commands(run)) == is_champion_named


def test_the_name_of_a_baseline_is_written_in_full_if_another_begins_alike(finished: Run) -> None:
    changed = judged(finished, "no_better_than_baseline", ahead=(-0.1, 0.02))
    other = {**changed.baselines[0], "name": "tfidf of letters", "kind": "constant"}
    step = next_steps(replace(changed, baselines=[*changed.baselines, other]))[0]
    assert "--baseline 'tfidf + logistic regression'" in step.command


def test_a_champion_no_better_than_a_constant_is_diagnosed_and_not_used(finished: Run) -> None:
    run = judged(finished, "no_better_than_constant", ahead=(0.1, 0.2))
    assert commands(run) == [f"tuner diagnose {shlex.quote(run.location)}", str(command_to_search_longer(run))]
    better = judged(finished, "no_better_than_constant", ahead=(-0.2, -0.1))
    assert "--baseline tfidf" in commands(better)[1]


def test_a_label_that_is_never_decided_is_named_with_diagnose(finished: Run) -> None:
    champion = json.loads(json.dumps(finished.champion))
    champion["test"]["labels"][1]["decision_rate"] = 0.0
    step = next(step for step in next_steps(replace(finished, champion=champion)) if "diagnose" in step.command)
    assert "alike for the label 'anger': find out why" in step.sentence


def test_after_all_settings_the_space_is_to_be_widened(finished: Run) -> None:
    environment = {
        **finished.environment,
        "command": ["tuner", "run", "my space.yaml", "--name", "one", "--set", "a=1"],
    }
    step = next_steps(replace(judged(finished, "beats_baselines", ended_by="settings"), environment=environment))[-1]
    assert step.sentence == "Every setting has been tried: widen spaces/emotions.yaml, and search again."
    assert step.command == "tuner run 'my space.yaml' --set a=1"


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ({}, "still going on, or was cut off"),
        ({"status": "interrupted"}, "was interrupted"),
        ({"status": "failed", "error": "the disk is full"}, "Once the cause of the failure is fixed"),
    ],
)
def test_a_run_that_has_not_finished_is_resumed(tmp_path: Path, manifest: dict[str, Any], sentence: str) -> None:
    run = read_run(write_run(tmp_path, trials=20, has_champion=False, is_finished=False))
    first, second = next_steps(replace(run, manifest=manifest))
    assert sentence in first.sentence
    assert first.command == f"tuner resume {run.location}"
    assert "trials collapsed or diverged" in second.sentence
    assert second.command == f"tuner diagnose {run.location}"


@pytest.mark.parametrize(
    ("ending", "verbs"), [("cut short", ["resume", "diagnose"]), ("completed", ["diagnose", "resume"])]
)
def test_a_budget_without_a_model_is_made_larger_and_first_diagnosed_if_it_let_trials_end(
    tmp_path: Path, ending: str, verbs: list[str]
) -> None:
    run = read_run(write_run(tmp_path, trials=20, has_champion=False, is_finished=False))
    trials = [{**row, "ending": ending} for row in run.trials if row["phase"] == "search"]
    manifest = {"status": "failed", "resume_with": ["search.time=5m"]}
    steps = next_steps(replace(run, manifest=manifest, trials=trials))
    assert [shlex.split(step.command)[1] for step in steps] == verbs
    assert steps[verbs.index("resume")].command == f"tuner resume {run.location} --set search.time=5m"


def test_a_finished_run_without_its_champion_is_verified(finished: Run) -> None:
    assert commands(replace(finished, champion={})) == [f"tuner verify {shlex.quote(finished.location)}"]


def test_a_space_that_this_version_cannot_read_costs_only_what_depends_on_it(finished: Run) -> None:
    run = replace(finished, space="task: multilabel\nunknown: 1\n")
    assert [shlex.split(command)[1] for command in commands(run)] == ["predict", "evaluate"]
    assert next_steps(run)[0].sentence.endswith("DATA is your file.")
