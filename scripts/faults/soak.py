"""Thousands of short trials, with a worker killed every ten seconds."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.processes import resident_mb
from faults.search import FaultOutcome, NotAsAskedError, SearchProcess, require, searching

TRIALS = 2000
KILL_EVERY_S = 10.0
SPACE = """
task: multiclass
data: {train: "builtin:digits", sequence: sequence, label: label}
search:
  {algorithm: random, trials: 2000, max_epochs: 0.5, grace_epochs: 0.25, reports_per_epoch: 4, reduction_factor: 2,
   finalists: 2, seeds: 2}
space:
  hidden: [4, 8]
  directions: 1
  batch_size: 64
  learning_rate: {low: 0.001, high: 0.02, scale: log}
  precision: float32
"""
"""A trial trains for a few tens of milliseconds."""
_LOOK_EVERY_S = 0.5
_FLAT_MB = 25.0  # growth of the driver, from a quarter of the trials to the last trial
_TIMEOUT_S = 3600.0


def soak(folder: Path, *, seed: int, trials: int = TRIALS) -> FaultOutcome:
    """Run many short trials and kill a random worker every ten seconds."""
    random = np.random.default_rng(seed)
    with searching(folder, space=SPACE) as search:
        before = set(search.scratch.iterdir())
        search.run(f"search.trials={trials}", f"search.seed={seed}")
        kills, memory = _kill_now_and_then(search, trials, random)
        search.finish_well(timeout_s=120)
        alone_s = search.wait_until_alone()
        endings = _check_ledger(search, trials)
        files = sorted(str(path) for path in set(search.scratch.iterdir()) - before)
        require(not search.litter() and not files, f"files that are left: {search.litter()} {files}")
        starts = Counter(row["starts"] for row in search.trials().values())
    growth = max(memory.values()) - memory[min(memory)]
    require(growth < _FLAT_MB, f"the driver's memory is not flat: MB by trials ended {memory}")
    notes = {
        "endings": endings, "starts": dict(starts), "driver_mb": memory, "last process ended after_s": alone_s
    }  # fmt: skip
    return FaultOutcome(
        fault=f"{trials:,} short trials, a worker killed every {KILL_EVERY_S:g} s", times=kills, notes=notes
    )


def _kill_now_and_then(search: SearchProcess, trials: int, random: np.random.Generator) -> tuple[int, dict[int, float]]:
    """Kill workers until the search is over. Return their number and the driver's memory (MB) at each quarter of the trials."""
    kills, memory, killed_at = 0, {}, time.monotonic()
    marks = [round(trials * quarter / 4) for quarter in (1, 2, 3, 4)]
    start = time.monotonic()
    while search.process.poll() is None:
        if time.monotonic() - start > _TIMEOUT_S:
            raise NotAsAskedError(f"not over after {_TIMEOUT_S:g} s")
        time.sleep(_LOOK_EVERY_S)
        ended = len(search.finished())
        while marks and ended >= marks[0]:
            memory[marks.pop(0)] = round(resident_mb(search.process.pid), 1)
        workers = search.workers()
        if workers and time.monotonic() - killed_at >= KILL_EVERY_S:
            kills, killed_at = kills + _kill(int(random.choice(workers))), time.monotonic()
    require(not marks, f"the memory was not looked at when {marks} trials had ended")
    return kills, memory


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def _check_ledger(search: SearchProcess, trials: int) -> dict[str, int]:
    rows = [row for row in search.trials().values() if row["phase"] == "search"]
    require(sorted(row["trial"] for row in rows) == list(range(trials)), f"{len(rows)} trials, {trials} were asked for")
    require(all(row["ending"] for row in rows), "a trial without an ending")
    require(not search.faults(), str(search.faults()[:5]))
    return dict(Counter(row["ending"] for row in rows))


FAULTS: tuple[Callable[..., FaultOutcome], ...] = (soak,)
