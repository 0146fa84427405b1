"""How soon the shipped space scores on goemotions' validation rows what plain scripts reach in five minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.goemotions import write_splits
from benchmarks.material import goemotions_overrides, shared
from benchmarks.row import Row, at_most, explains
from benchmarks.searches import search_goemotions

TIME_S = 300
PLAIN_LIMIT_S = TIME_S + 180
SHIPPED = "multilabel"


def measure() -> list[Row]:
    """Run the two plain scripts, then tuner on the same rows, and compare when each validation score is reached.

    The plain scripts choose thresholds on the rows that they score on. tuner's score is cross-fitted, which is the harder one.
    """
    overrides = [*goemotions_overrides(), "data.test=0.125"]
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        write_splits(SHIPPED, overrides, Path(folder, "data"))
        best = {tool: _best_of(tool, Path(folder)) for tool in ("raytune_plain", "optuna_plain")}
    with search_goemotions("data.test=0.125", space=SHIPPED, time_s=TIME_S) as search:
        scored = [each for each in search.measurements if each["macro_f1"] is not None]
    reached = sorted((each["reported_s"], each["macro_f1"]) for each in scored)
    top = max(score for _, score in reached)
    rows = [explains("best validation macro-F1 of tuner", top, "macro-F1", f"{len(search.tried)} settings tried")]
    for tool, score in best.items():
        first_s = next((seconds for seconds, mine in reached if mine >= score), None)
        detail = f"{tool} reached {score:.3f}; " + (
            "tuner did not" if first_s is None else f"tuner after {first_s:.0f} s"
        )
        share = float("inf") if first_s is None else first_s / TIME_S
        rows.append(at_most(f"time to reach {tool}, over its five minutes", 0.2, share, "share", detail))
    return rows


def _best_of(tool: str, folder: Path) -> float:
    """Run a plain script and return its best validation macro-F1, with tuned thresholds."""
    settings = {
        "DATA_DIR": str(folder / "data"),
        "BUDGET_S": str(TIME_S),
        "OUT_DIR": str(folder / tool),
        "PY": sys.executable,
    }
    subprocess.run(
        ["bash", str(shared("bench", tool, "run.sh"))],
        env={**os.environ, **settings},
        check=True,
        timeout=PLAIN_LIMIT_S,
        stdout=subprocess.DEVNULL,
    )
    report: dict[str, Any] = json.loads((folder / tool / "report.json").read_text())
    return max(float(pick["val_f1_tuned"]) for pick in report["picks"])
