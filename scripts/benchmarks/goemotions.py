"""Five minutes on goemotions: test macro-F1 and number of settings tried, beside a plain Ray Tune script on the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.material import goemotions_overrides, shared
from benchmarks.occupancy import rows_of
from benchmarks.row import Row, at_least, explains
from benchmarks.searches import SPACE, FinishedSearch, search_goemotions

TIME_S = 300
PLAIN_LIMIT_S = TIME_S + 180


def measure() -> list[Row]:
    """Run tuner, then the plain script."""
    with search_goemotions(time_s=TIME_S) as search:
        mine = search
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        write_splits(str(SPACE), goemotions_overrides(), Path(folder, "data"))
        plain = _run_plain(Path(folder, "data"), Path(folder, "out"))
    test, pick = mine.champion["test"], max(plain["picks"], key=lambda pick: pick["val_f1_tuned"])
    low, high = test["macro_f1_ci"]
    tried, plain_tried = len(mine.tried), plain["trials_started"]
    return [
        at_least(
            "champion's test macro-F1",
            0.49,
            test["macro_f1"],
            "macro-F1",
            f"95 % interval {low:.3f} to {high:.3f}; validation {mine.champion['validation']['macro_f1']:.3f}; plain script "
            f"{pick['test_f1_tuned']:.3f} with tuned thresholds, {pick['test_f1_plain']:.3f} without; {_describe(mine)}",
        ),
        at_least(
            "settings tried / plain script's",
            8,
            tried / plain_tried,
            "times",
            f"{tried} with a measurement over {plain_tried} started; plain script {plain['epochs_total']} epochs, "
            f"{plain['ms_per_step']:.0f} ms a step, {plain['wall_s']:.0f} s",
        ),
        *(explains(row.name, row.measured, row.unit, row.detail) for row in rows_of(mine)),
    ]


def _describe(search: FinishedSearch) -> str:
    endings = ", ".join(f"{count} {ending}" for ending, count in search.manifest["trials"].items() if count)
    chosen = ", ".join(f"{name}={value}" for name, value in search.champion["config"].items() if "." not in name)
    return f"{search.champion['verdict']}; {search.command_s:.0f} s; {endings}; {chosen}"


def write_splits(name: str, overrides: Sequence[str], folder: Path) -> None:
    """Write the three splits that tuner uses for a space in the form that the plain scripts read."""
    from tuner.data.load import load_data
    from tuner.space.load import load_space

    space = load_space(name, overrides)
    dataset = load_data(space.data, space.task, space.search.seed)
    folder.mkdir()
    for name, split in dataset.splits.items():
        labels = [[dataset.labels[i] for i in row.nonzero()[0]] for row in split.targets]
        assert isinstance(split.inputs, tuple)  # the space names a column of texts
        pq.write_table(pa.table({"text": list(split.inputs), "labels": labels}), folder / f"{name}.parquet")


def _run_plain(data: Path, out: Path) -> dict[str, Any]:
    script = shared("bench", "raytune_plain", "run.sh")
    settings = {"DATA_DIR": str(data), "BUDGET_S": str(TIME_S), "OUT_DIR": str(out), "PY": sys.executable}
    subprocess.run(
        ["bash", str(script)],
        env={**os.environ, **settings},
        check=True,
        timeout=PLAIN_LIMIT_S,
        stdout=subprocess.DEVNULL,
    )
    measurement: dict[str, Any] = json.loads((out / "report.json").read_text())
    return measurement
