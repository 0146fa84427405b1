"""Real searches: `tuner run` in a process of its own, and what its ledger holds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.material import goemotions_overrides, run_tuner

SPACE = Path(__file__).with_name("goemotions.yaml")
GRACE_S = 120  # after the budget, until a search counts as failed


@dataclass(frozen=True)
class FinishedSearch:
    """A finished run: its ledger, and the wall time of the whole command in seconds."""

    trials: Sequence[Mapping[str, Any]]
    measurements: Sequence[Mapping[str, Any]]
    baselines: Sequence[Mapping[str, Any]]
    champion: Mapping[str, Any]
    manifest: Mapping[str, Any]
    command_s: float

    @property
    def tried(self) -> Sequence[Mapping[str, Any]]:
        """Return the search trials with at least one measurement."""
        return [trial for trial in self.trials if trial["phase"] == "search" and trial["examples"]]


@contextmanager
def search_goemotions(*overrides: str, space: str = str(SPACE), time_s: float) -> Iterator[FinishedSearch]:
    """Run `tuner run` on goemotions for `time_s` seconds, by default in the space of the benchmark."""
    from tuner.ledger.run_directory import read_measurements, read_run

    sets = [*goemotions_overrides(), f"search.time={time_s:g}", *overrides]
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as runs:
        arguments = [argument for override in sets for argument in ("--set", override)]
        start = time.monotonic()
        run_tuner("run", space, "--name", "bench", "--runs", runs, *arguments, timeout_s=time_s + GRACE_S)
        command_s = time.monotonic() - start
        location = f"{runs}/bench"
        run = read_run(location)
        yield FinishedSearch(
            trials=run.trials,
            measurements=read_measurements(location).to_pylist(),
            baselines=run.baselines,
            champion=run.champion,
            manifest=run.manifest,
            command_s=command_s,
        )


def first_step_s(measurement: Mapping[str, Any]) -> float:
    """Return when the steps before a measurement began, in seconds after the start of the command."""
    return float(measurement["reported_s"] - measurement["train_seconds"] - measurement["evaluate_seconds"])
