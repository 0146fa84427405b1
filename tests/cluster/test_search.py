"""Whole searches as a user runs them: the real command in its own process, on a real Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tuner
from benchmarks.processes import descendants
from builders.searches import command, make_rows, wait_until, write_space
from tuner.ledger.run_directory import read_measurements, read_run
from tuner.ledger.verify import verify

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("finished")
    space = write_space(folder, "multilabel", "labels: labels")
    return folder, call("run", space, "--name", "first", "--runs", folder / "runs")


def shown(folder: Path, run: str) -> dict:
    done = call("show", run, "--runs", folder / "runs", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_exits_with_0_whatever_its_verdict(finished):
    folder, done = finished
    run = shown(folder, "first")
    assert run["status"] == "finished"
    assert done.returncode == 0, done.stderr
    assert run["verdict"] != "no_better_than_constant"  # the labels follow from single words


def test_stdout_has_the_leaderboard_and_stderr_the_messages_but_not_rays(finished):
    _, done = finished
    assert "leaderboard" in done.stdout
    assert "verdict:" in done.stdout
    assert "baseline tfidf" in done.stderr
    assert "next:" in done.stderr
    for noise in ("Traceback", "raylet", "WARNING", "Current time", "ray.tune", "(pid="):
        assert noise not in done.stdout + done.stderr


def test_show_has_every_fact_that_scripts_rely_on(finished):
    folder, _ = finished
    run = shown(folder, "first")
    assert sum(run["trials"].values()) == 4
    assert {row["kind"] for row in run["leaderboard"]} >= {"baseline", "trial", "champion"}
    assert len(run["baselines"]) == 4
    assert run["seconds"] > 0
    champion = run["champion"]
    assert champion["config"]["hidden"] == 16
    for split in ("validation", "test"):
        measures = champion[split]
        low, high = measures["macro_f1_ci"]
        assert low <= measures["macro_f1"] <= high
        assert measures["skill_ci"][0] <= measures["skill"] <= measures["skill_ci"][1]
        assert measures["score"] == pytest.approx(measures["macro_f1"] - measures["constant_penalty"])
        assert [row["label"] for row in measures["labels"]] == ["small", "sweet"]


def test_the_ledger_has_every_trial_once_and_its_measurements(finished):
    folder, _ = finished
    location = folder / "runs" / "first"
    trials = pa.concat_tables([pq.read_table(path) for path in (location / "trials").iterdir()]).to_pylist()
    assert sorted(row["trial"] for row in trials) == list(range(len(trials)))
    assert all(row["ending"] for row in trials)
    assert sum(row["phase"] == "finalist" for row in trials) == 4
    measurements = pa.concat_tables([pq.read_table(path) for path in (location / "reports").iterdir()])
    assert set(measurements["trial"].to_pylist()) == {row["trial"] for row in trials}
    manifest = json.loads((location / "manifest.json").read_text())
    assert "champion/weights.safetensors" in manifest["files"]


def test_the_bundle_predicts_what_evaluate_measured(finished):
    folder, _ = finished
    location = folder / "runs" / "first"
    out = folder / "predictions.parquet"
    assert call("predict", location, folder / "rows.parquet", "--out", out).returncode == 0
    predictions = pq.read_table(out)
    texts = make_rows()["text"].to_pylist()
    model = tuner.load(location)
    assert predictions["prediction"].to_pylist() == model.predict(texts)
    assert np.allclose(predictions["p_sweet"].to_numpy(), model.predict_proba(texts)[:, model.labels.index("sweet")])
    evaluated = call("evaluate", location, folder / "rows.parquet", "--format", "json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["macro_f1"] > 0.8


def test_a_second_run_of_the_same_name_is_refused_and_leaves_the_first_unchanged(finished):
    folder, _ = finished
    before = (folder / "runs" / "first" / "manifest.json").read_bytes()
    done = call("run", folder / "space.yaml", "--name", "first", "--runs", folder / "runs")
    assert done.returncode == 2
    assert "already" in done.stderr
    assert (folder / "runs" / "first" / "manifest.json").read_bytes() == before


def test_rows_with_one_label_each_also_lead_to_a_champion(tmp_path):
    space = write_space(tmp_path, "multiclass", "label: kind")
    few = ("--set", "search.trials=2", "--set", "search.seeds=1")
    done = call("run", space, "--name", "kinds", "--runs", tmp_path / "runs", *few)
    assert done.returncode == 0, done.stderr
    run = shown(tmp_path, "kinds")
    assert run["champion"]["test"]["skill"] > 0
    assert set(tuner.load(tmp_path / "runs" / "kinds").predict(["fig apple", "apple banana"])) <= set(
        run["data"]["labels"]
    )


def begin(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start a search long enough to be disturbed, in its own process group."""
    space = write_space(folder, "multilabel", "labels: labels")
    long = ("--set", "search.trials=200", "--set", "search.max_epochs=60", *arguments)
    return subprocess.Popen(
        command("run", space, "--name", "long", "--runs", folder / "runs", *long),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def has_measurements(folder: Path) -> bool:
    parts = folder / "runs" / "long" / "reports"
    return parts.exists() and any(parts.glob("*.parquet"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_readable_ledger_and_says_how_to_resume(number, tmp_path):
    process = begin(tmp_path)
    wait_until(lambda: has_measurements(tmp_path), process)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "error:" not in stderr
    assert "tuner show" in stderr
    assert f"tuner resume {tmp_path / 'runs' / 'long'}" in stderr
    assert "Traceback" not in stderr
    run = shown(tmp_path, "long")
    assert run["status"] == "interrupted"
    assert run["trials"]["interrupted"] >= 1
    assert "running" not in run["trials"]


def workers_of(process: subprocess.Popen) -> list[int]:
    """The trial workers of this run only: its raylet descends from the driver."""
    return [each.pid for each in descendants(process.pid) if each.is_trial_worker]


def test_a_killed_worker_costs_one_start_and_its_trial_goes_on_from_its_checkpoint(tmp_path):
    settings = (
        "resources.concurrent=1",
        "search.trials=1",
        "search.max_epochs=150",  # long enough to kill the one worker in the middle
        "search.grace_epochs=4",
        "search.reduction_factor=40",  # no rung after the first
        "search.finalists=1",
        "search.seeds=1",  # a finalist's run, which no rung stops
    )
    process = begin(tmp_path, *(word for setting in settings for word in ("--set", setting)))
    location = tmp_path / "runs" / "long"

    def epochs_of_finalist() -> float:
        rows = read_measurements(location).to_pylist() if has_measurements(tmp_path) else []
        return float(max((row["epochs"] for row in rows if row["trial"] == 1), default=0))

    wait_until(lambda: epochs_of_finalist() > 5 and workers_of(process), process)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    trials = read_run(location).trials
    assert all(row["ending"] not in (None, "failed") for row in trials)
    assert {row["trial"]: row["starts"] for row in trials} == {0: 1, 1: 2}
    went_on_at = [
        row["epochs"] for row in read_measurements(location).to_pylist() if (row["trial"], row["start"]) == (1, 2)
    ]
    assert round(went_on_at[0]) == 5
    assert verify(location).faults == ()
