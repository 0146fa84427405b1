"""A small search that the command line runs on a real Ray, and how to wait for it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel")


SPACE = """
task: {task}
data: {{train: {data}, text: text, {labels}, validation: 0.2, test: 0.2}}
search: {{trials: 4, max_epochs: 6, grace_epochs: 1, reports_per_epoch: 1, reduction_factor: 2, finalists: 2, seeds: 2}}
space:
  tokens: {{word: {{min_count: 1}}}}
  embedding: {{random: {{size: [8, 16]}}}}
  hidden: 16
  batch_size: 16
  learning_rate: {{low: 0.01, high: 0.03, scale: log}}
  loss_weights: [none, root]
"""


def make_rows(rows: int = 300) -> pa.Table:
    """Rows whose label "sweet" follows from the word "fig" in the text, and "small" from "grape"."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, size=generator.integers(3, 9))) for _ in range(rows)]
    labels = [[name for word, name in (("fig", "sweet"), ("grape", "small")) if word in text.split()] for text in texts]
    kinds = ["both" if len(row) == 2 else row[0] if row else "none" for row in labels]
    return pa.table({"text": texts, "labels": pa.array(labels, pa.list_(pa.string())), "kind": kinds})


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tuner", *map(str, arguments)]


def write_space(folder: Path, task: str, labels: str) -> Path:
    pq.write_table(make_rows(), folder / "rows.parquet")
    space = folder / "space.yaml"
    space.write_text(SPACE.format(task=task, data=folder / "rows.parquet", labels=labels))
    return space


def wait_until(condition, process: subprocess.Popen, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the run ended early with {process.returncode}"
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)
