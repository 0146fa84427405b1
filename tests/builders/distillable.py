"""A small finished run that can be distilled: its rows are on disk. Made by a search without Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builders.trained_search import Clock, TrainedSearch
from tuner.data.load import load_data
from tuner.data.trial_data import prepare
from tuner.ledger.run_directory import Ledger
from tuner.ray_backend.start import Machines, Node
from tuner.search.search_data import SearchData
from tuner.search.watcher import Watcher
from tuner.space.load import load_space

SPACE = """
task: multiclass
data: {{train: rows.csv, text: text, label: label, {splits}}}
search: {{trials: 1, max_epochs: 2, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 1}}
space:
  tokens: {{word: {{min_count: 1}}}}
  embedding: {{random: {{size: 8}}}}
  hidden: 6
  batch_size: 8
  precision: float32
  max_length: 16
  learning_rate: 0.03
"""
WORDS = ("rain", "sun", "snow")


def write_rows(path: Path, *, rows: int, seed: int = 0) -> None:
    """Write texts in which one word gives the label away. Texts of another seed are others."""
    generator = np.random.default_rng(seed)
    lines = [f"{WORDS[n % 3]} in week {generator.integers(9)} of {seed} {n},{'abc'[n % 3]}" for n in range(rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")


def write_distillable_run(folder: Path, *, folds: int = 0, location: str | None = None) -> Path:
    """Write rows.csv and the run runs/first into `folder`, or the run to `location`. Return the run's directory."""
    write_rows(folder / "rows.csv", rows=120)
    splits = f"folds: {folds}, test: 0.2" if folds else "validation: 0.2, test: 0.2"
    (folder / "space.yaml").write_text(SPACE.format(splits=splits))
    space = load_space(str(folder / "space.yaml"))
    dataset = load_data(space.data, space.task, space.search.seed)
    data = SearchData(dataset, prepare(dataset, space.parameters), Machines((Node(cpus=1, gpus=0),)))
    watcher = Watcher(say=lambda _: None, watch=lambda _: None)
    clock = Clock()
    ledger = Ledger(location or str(folder / "runs" / "first"))
    search = TrainedSearch(space, data, ledger, clock=clock, watcher=watcher)
    search.clock = clock
    search.run(is_cluster=False)
    return folder / "runs" / "first"
