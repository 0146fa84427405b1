"""A search on odd but valid rows: labels in many scripts, one on every row, one on a single row, texts without words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

EVERY, RARE = "🏳️‍🌈 every row\nhas it", "\u202eעברית/../|\x1b[31m"
LABELS = ("日本語", "é")
WRITTEN = ("日本語", "e\u0301", "é")  # the last two are one label
WORDS = ("яблоко", "りんご", "elma", "🍎", "تفاحة", "apfel", "a\u0301", "µ")
ROWS, EMPTY = 240, 24
SPACE = """
task: multilabel
data: {train: rows.parquet, text: text, labels: labels, validation: 0.2, test: 0.2, skip_unusable: true}
search: {trials: 1, max_epochs: 20, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 1}
resources: {concurrent: 1}
space:
  tokens: {word: {min_count: 1, punctuation: false}}
  embedding: {random: {size: 8}}
  hidden: 8
  batch_size: 16
  learning_rate: 0.02
"""


def write_rows(folder: Path) -> None:
    """Every tenth text is empty, every tenth has only punctuation and so no token, and the others mix scripts."""
    random = np.random.default_rng(0)
    texts, labels = [], []
    for row in range(ROWS):
        words = random.choice(WORDS, size=random.integers(1, 9)).tolist()
        texts.append(
            {0: ["", " \u2003", "\n"][row % 3], 1: "!? …" * (row + 1)}.get(row % 10, " ".join([*words, f"n{row}"]))
        )
        named = [label for label, word in zip(WRITTEN, WORDS, strict=False) if word in words]
        labels.append([EVERY, *named, *([RARE] if row == 7 else [])])
    pq.write_table(pa.table({"text": texts, "labels": labels}), folder / "rows.parquet")
    (folder / "space.yaml").write_text(SPACE)


def test_a_search_on_odd_rows_ends_with_a_verdict_and_its_model_predicts_them(tmp_path: Path, call: Any) -> None:
    write_rows(tmp_path)
    command = [sys.executable, "-m", "tuner", "run", "space.yaml", "--name", "odd"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    shown = json.loads(call("show", "odd", "--format", "json")[1])
    assert (shown["status"], sum(shown["trials"].values()), "failed" in shown["trials"]) == ("finished", 1, False)
    assert shown["verdict"]
    rows = shown["data"]["rows"]
    assert sum(rows.values()) == ROWS - EMPTY
    labels = set(shown["data"]["labels"])
    assert {normalize("NFC", label) for label in labels} == {EVERY, RARE, *LABELS}
    assert len(labels) == 4
    support = {row["label"]: row["support"] for row in shown["champion"]["test"]["labels"]}
    assert support[EVERY] == rows["test"]

    assert call("verify", "odd")[0] == 0
    assert call("report", "odd")[0] == 0
    code, _, err = call("predict", "runs/odd", "rows.parquet")
    assert (code, "the text in column 'text' is empty" in err) == (2, True)
    options = ("--skip-unusable", "--keep", "none", "--out", "predicted.parquet")
    assert call("predict", "runs/odd", "rows.parquet", *options)[0] == 0
    predicted = pq.read_table(tmp_path / "predicted.parquet")
    assert predicted["row"].to_pylist() == [row + 1 for row in range(ROWS) if row % 10]
    assert set(predicted.column_names) == {"row", "prediction", *(f"p_{label}" for label in labels)}


def test_ray_starts_if_the_folder_for_temporary_files_is_gone(tmp_path: Path) -> None:
    write_rows(tmp_path)
    command = [
        sys.executable,
        "-m",
        "tuner",
        "run",
        "space.yaml",
        "--set",
        "resources.gpus=1",
    ]  # ends once Ray has started
    gone = {**os.environ, "TMPDIR": "/scratch/4711"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=gone)
    assert (done.returncode, "no node has that many" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "runs").exists()
