"""Real searches with a time budget on the comparison material, from the command line and timed."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.material import run_tuner, shared

GRACE_S = 120  # after the budget, until a search counts as failed


@dataclass(frozen=True, kw_only=True)
class Case:
    """A data set of the comparison material, cut or repeated to `rows` rows if that is set, and a time budget."""

    data: tuple[str, str]
    time_s: int
    rows: int | None = None

    def __str__(self) -> str:
        rows = f", {self.rows:,} rows" if self.rows else ""
        return f"{self.data[0]}{rows}, {self.time_s} s"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search did. `first_score_s` is when its first measurement came, in seconds after the start.

    `full_runs` counts search trials and finalists' runs that reached the full budget. `share_cut` is the share of the time of
    all trials that went to those that the budget cut off. `plan` is the sentence of a search that sized itself.
    """

    tried: int
    full_runs: int
    share_cut: float
    plan: str
    command_s: float
    first_score_s: float
    finalists: int


@contextmanager
def arguments_of(case: Case) -> Iterator[list[str]]:
    """Yield the arguments that plan and run take for a case."""
    path = shared("data", case.data[0], f"{case.data[1]}.parquet")
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        if case.rows is not None:
            path = _cut(path, case.rows, Path(folder))
        yield ["--data", str(path), "--set", f"search.time={case.time_s}s"]


def plan_case(arguments: list[str]) -> tuple[int, float]:
    """Return the number of trials that a plan says, and the seconds it took."""
    start = time.monotonic()
    done = run_tuner("plan", *arguments, "--format", "json", timeout_s=GRACE_S)
    return json.loads(done.stdout)["trials"], time.monotonic() - start


def run_case(case: Case, arguments: list[str]) -> Search:
    """Run a case and return what it did."""
    from tuner.ledger.run_directory import read_measurements, read_run

    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as runs:
        start = time.monotonic()
        run_tuner("run", *arguments, "--name", "bench", "--runs", runs, timeout_s=case.time_s + GRACE_S)
        command_s = time.monotonic() - start
        run = read_run(f"{runs}/bench")
        trials = run.trials
        reported = read_measurements(f"{runs}/bench")["reported_s"].to_pylist()
    return Search(
        tried=sum(trial["phase"] == "search" and bool(trial["examples"]) for trial in trials),
        command_s=command_s,
        full_runs=sum(trial["ending"] == "completed" for trial in trials),
        share_cut=sum(_seconds(trial) for trial in trials if trial["ending"] == "cut short")
        / max(sum(map(_seconds, trials)), 1e-9),
        plan=run.plan.get("sentence", ""),
        first_score_s=min(reported),
        finalists=sum(trial["phase"] == "finalist" and bool(trial["examples"]) for trial in trials),
    )


def _cut(path: Path, rows: int, folder: Path) -> Path:
    """Write evenly spread rows of a file, or all of them again and again, to a file in another folder."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    step = max(1, table.num_rows // rows)
    cut = folder / path.name
    pq.write_table(table.take([row * step % table.num_rows for row in range(rows)]), cut)
    return cut


def _seconds(trial: Mapping[str, Any]) -> float:
    return float(trial["ended_s"] - trial["started_s"]) if trial["started_s"] and trial["ended_s"] else 0.0
