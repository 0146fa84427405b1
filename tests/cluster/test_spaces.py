"""Searches over the shipped spaces, numeric sequences and folds: the real command, on a real Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import tuner
from tuner.space.load import shipped_spaces

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TINY = {
    "search.trials": "2",
    "search.time": "null",
    "search.max_epochs": "0.25",
    "search.grace_epochs": "0.25",
    "search.reports_per_epoch": "4",
    "search.finalists": "1",
    "search.seeds": "1",
}


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def run(folder: Path, space: str | Path, **settings: str) -> dict:
    """Run a space with a tiny budget and return what `tuner show` prints about it."""
    overrides = [word for name, value in {**TINY, **settings}.items() for word in ("--set", f"{name}={value}")]
    done = call("run", space, "--name", "tiny", "--runs", folder, *overrides)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    shown = call("show", "tiny", "--runs", folder, "--format", "json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def check_verdict(shown: dict) -> None:
    assert shown["status"] == "finished"
    assert shown["verdict"]
    assert sum(shown["trials"].values()) == 2


@pytest.mark.parametrize("name", sorted(set(shipped_spaces()) - {"sequence"}))
def test_a_shipped_space_runs_to_a_verdict(name: str, tmp_path: Path) -> None:
    # with this many classes, a quarter of an epoch teaches one answer for every row, which is no champion
    longer = {"search.max_epochs": "1", "space.learning_rate": "5e-3", "space.schedule": "constant"}
    check_verdict(run(tmp_path, name, **(longer if name == "multiclass" else {})))


def test_the_shipped_space_for_sequences_ends_with_a_bundle_that_predicts_files_and_arrays(
    tmp_path: Path,
) -> None:
    shown = run(tmp_path, "sequence", **{"search.max_epochs": "2"})
    check_verdict(shown)
    assert shown["champion"]["test"]["labels"]
    model = tuner.load(tmp_path / "tiny")
    done = call("predict", tmp_path / "tiny", "builtin:digits", "--out", tmp_path / "out.parquet")
    assert done.returncode == 0, done.stderr
    predicted = pq.read_table(tmp_path / "out.parquet")["prediction"].to_pylist()
    assert set(predicted) <= set(model.labels)
    rows = [np.zeros((8, 8)), np.ones((5, 8))]
    assert model.predict_proba(rows).shape == (2, len(model.labels))
    np.testing.assert_allclose(model.predict_proba(rows)[:1], model.predict_proba(rows[:1]), atol=1e-6)


def test_with_folds_every_training_row_is_judged_once_and_the_champion_has_seen_all_rows(tmp_path: Path) -> None:
    folds = {"data.folds": "3", "data.validation": "null", "search.max_epochs": "2", "search.grace_epochs": "0.5"}
    shown = run(tmp_path, "sequence", **folds)
    champion = shown["champion"]
    rows = shown["data"]["rows"]
    assert rows["train"] == rows["validation"]
    assert sum(row["support"] for row in champion["validation"]["labels"]) == rows["train"]
    best = next(row for row in shown["leaderboard"] if row["kind"] == "trial")
    assert best["score_spread"] >= 0
