"""One trial at a time, the same space, seed and data give the same ledger. A signal at the start ends a run at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builders.searches import command, wait_until, write_space
from tuner.ledger.predictions import read_predictions
from tuner.ledger.run_directory import read_measurements, read_run

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TIMES = (
    "train_seconds",
    "evaluate_seconds",
    "started_s",
    "ended_s",
    "reported_s",
    "seconds",
    "seconds_per_1000_rows",
    "bundle",
)
SETTINGS = ("resources.concurrent=1", "search.trials=3", "search.max_epochs=2", "search.finalists=2", "search.seeds=1")


def begin(space: Path, name: str, runs: Path, settings: tuple[str, ...] = SETTINGS) -> subprocess.Popen[str]:
    chosen = [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        command("run", space, "--name", name, "--runs", runs, *chosen),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def without_times(value: Any) -> Any:
    """The value without times, and with NaN as text, because NaN does not equal itself."""
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(each) for each in value]
    return "not a number" if value != value else value


def ledger_of(location: Path) -> dict[str, Any]:
    run = read_run(location)
    return {
        "baselines": without_times(run.baselines),
        "profile": run.profile,
        "data": run.environment["data"],
        "trials": without_times(run.trials),
        "reports": without_times(read_measurements(location).to_pylist()),
        "champion": json.loads(json.dumps(without_times(run.champion)).replace(str(location), "RUN")),
        "weights": run.manifest["files"]["champion/weights.safetensors"],
        **{split: read_predictions(location, split).to_pylist() for split in ("validation", "test")},
    }


def test_with_one_trial_at_a_time_a_search_is_repeatable(tmp_path: Path) -> None:
    space, runs = write_space(tmp_path, "multilabel", "labels: labels"), tmp_path / "runs"
    started = [begin(space, name, runs) for name in ("one", "two")]
    for process in started:
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
    first, second = ledger_of(runs / "one"), ledger_of(runs / "two")
    for part, content in first.items():
        assert content == second[part], part
    assert len(first["trials"]) == 5
    assert {row["model"] for row in first["test"]} == {"champion", *(row["name"] for row in first["baselines"])}
    record = json.loads((runs / "one" / "champion" / "bundle.json").read_text())["record"]
    assert record["validation"]["macro_f1"] == read_run(runs / "one").champion["validation"]["macro_f1"]


def test_a_signal_before_the_first_trial_is_in_the_manifest(tmp_path: Path) -> None:
    location = tmp_path / "runs" / "early"
    process = begin(write_space(tmp_path, "multilabel", "labels: labels"), "early", location.parent)
    wait_until((location / "environment.json").exists, process)
    os.kill(process.pid, signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert read_run(location).status == "interrupted"
