"""Trials that hang, run out of memory, diverge or all fail, and searches that reach their time budget."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faults.search import FaultOutcome, Row, SearchProcess, compare, require, searching

_TIMEOUT_S = 5
_GONE_WITHIN_S = 10.0
_SETTLE_S = 0.15
_BUDGET_S = 60
_FREE_MB = 2000  # longer than a search
_GREEDY = "import time\nkept = []\nwhile True:\n    kept.append(b'x' * (64 << 20))\n    time.sleep(0.02)"
_SLACK_MB = 160  # Ray's own threads need some; one allocation of a large batch takes this much
_LARGE = """
task: multiclass
data: {train: ROWS, sequence: sequence, label: label, validation: 0.1, test: 0.1}
search: {algorithm: random, trials: 4, max_epochs: 1, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 1}
space: {hidden: 64, directions: 1, batch_size: [64, 512], precision: float32, learning_rate: {low: 0.0009, high: 0.0011}}
"""
"""A batch of 512 sequences of 400 steps needs one block of 200 MB for the gates."""
_RUNAWAY = """
task: multiclass
data: {train: "builtin:digits", sequence: sequence, label: label}
search: {algorithm: random, trials: 6, max_epochs: 2, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 1}
space:
  hidden: 8
  batch_size: 4
  clipping: none
  optimiser: {sgd: {momentum: 0.9, weight_decay: [0.0001, 10]}}
  learning_rate: {low: 0.49, high: 0.51}
"""
"""With the larger weight decay each step multiplies the weights; with the smaller one trials learn."""


def hang(folder: Path, *, seed: int) -> FaultOutcome:
    """Stop the worker of a trial with SIGSTOP, in a run and again after an interrupt and a resume."""
    with searching(folder) as search:
        settings = ("search.trials=6", "search.max_epochs=20", "search.grace_epochs=20", f"search.seed={seed}")
        search.run(*settings, f"search.trial_timeout={_TIMEOUT_S}s", "resources.concurrent=2")
        seconds = [_stop_one(search)]
        search.wait_until(lambda: len(search.finished()) > 1)  # if all have failed, a resumed run tries them again
        search.signal(signal.SIGTERM)
        require(search.finish().code == 130, "an interrupted search ends with 130")
        before = search.finished()
        search.resume()
        seconds.append(_stop_one(search))
        search.finish_well()
        trials = search.trials()
        require(not search.faults(), str(search.faults()))
    _check_hung(trials, times=2)
    lost, repeated = compare(before, trials)
    return FaultOutcome(fault="a trial that hangs", times=2, lost=lost, repeated=repeated, seconds=seconds)


def hang_once(folder: Path, *, seed: int) -> FaultOutcome:
    """Stop the worker of a trial with SIGSTOP."""
    with searching(folder) as search:
        settings = ("search.trials=3", "search.max_epochs=20", "search.grace_epochs=20", f"search.seed={seed}")
        search.run(*settings, f"search.trial_timeout={_TIMEOUT_S}s", "resources.concurrent=2")
        seconds = [_stop_one(search)]
        search.finish_well()
        _check_hung(search.trials(), times=1)
    return FaultOutcome(fault="a trial that hangs", times=1, seconds=seconds)


def _stop_one(search: SearchProcess) -> float:
    """Stop a worker during a step. Return the seconds until its trial has failed and the process is gone."""
    already = _when_failed(search)
    worker = search.wait_until(lambda: _within_a_step(search))[0]
    os.kill(worker, signal.SIGSTOP)
    start = time.monotonic()
    search.wait_until(lambda: _when_failed(search) - already)
    search.wait_until(lambda: worker not in {each.pid for each in search.processes()}, seconds=_GONE_WITHIN_S)
    return time.monotonic() - start


def _within_a_step(search: SearchProcess) -> list[int]:
    """Return the workers that train, once there is a measurement: from then on the ledger has the trial."""
    if not search.has_begun() or not search.measurements():
        return []
    return [each.pid for each in search.processes() if each.command.startswith("ray::ResourceTrainable")]


def _when_failed(search: SearchProcess) -> set[tuple[int, float]]:
    """Return when which trials failed. After a resume a trial may fail a second time."""
    return {(row["trial"], row["ended_s"]) for row in _failed(search.trials())}


def _failed(trials: dict[int, Row]) -> list[Row]:
    return [row for row in trials.values() if row["ending"] == "failed"]


def _check_hung(trials: dict[int, Row], *, times: int) -> None:
    reasons = [row["reason"] for row in _failed(trials)]
    reason = f"no measurement for {_TIMEOUT_S} s, which is search.trial_timeout"
    # On a busy machine a trial may be this late by itself.
    require(len(reasons) >= times and set(reasons) == {reason}, f"reasons: {reasons}")
    require(all(row["ending"] is not None for row in trials.values()), "every trial has an ending")


# --- memory -------------------------------------------------------------------------------------------------------------


def out_of_memory(folder: Path, *, seed: int) -> FaultOutcome:
    """Limit the address space of every worker, so that trials with large batches cannot run."""
    return _starve(folder, lambda workers: workers, seed=seed)


def out_of_memory_once(folder: Path, *, seed: int) -> FaultOutcome:
    """Limit the address space of the first workers only: a trial that fails there succeeds when it is tried again."""
    first: list[int] = []

    def chosen(workers: list[int]) -> list[int]:
        first.extend(worker for worker in workers if len(first) < 2 and worker not in first)
        return first

    return _starve(folder, chosen, seed=seed)


def memory_monitor(folder: Path, *, seed: int) -> FaultOutcome:
    """Let another program take memory until Ray kills a worker to protect the node, then end that program."""
    from ray._common.utils import get_system_memory
    from ray._private.utils import get_used_memory

    limit = (get_used_memory() + (_FREE_MB << 20)) / get_system_memory()
    monitor = {"RAY_memory_usage_threshold": f"{limit:.4f}", "RAY_memory_monitor_refresh_ms": "100"}
    with searching(folder, environment=monitor) as search:
        long = ("search.max_epochs=40", "search.grace_epochs=40", "search.finalists=1", "resources.concurrent=2")
        search.run("search.trials=3", *long, f"search.seed={seed}")
        search.wait_until(lambda: search.has_begun() and search.measurements())
        before = search.workers()
        with subprocess.Popen([sys.executable, "-c", _GREEDY]) as greedy:
            try:
                search.wait_until(lambda: any(worker not in search.workers() for worker in before), seconds=60)
            finally:
                greedy.kill()
        search.finish_well()
        trials, measurements = search.trials(), search.measurements()
    return replace(_told_of_memory(trials, measurements), fault="a worker that Ray's memory monitor kills")


def _starve(folder: Path, chosen: Callable[[list[int]], list[int]], *, seed: int) -> FaultOutcome:
    _write_sequences(folder / "rows.parquet")
    sizes: dict[int, int] = {}
    bounded: set[int] = set()
    with searching(folder, space=_LARGE.replace("ROWS", str(folder / "rows.parquet"))) as search:
        search.run(f"search.seed={seed}", "resources.concurrent=2")
        usual = 0  # of a worker with all its modules; it limits later workers before they take a trial
        while search.process.poll() is None:
            for worker in set(chosen(search.workers())) - bounded:
                size = _size_with_torch(worker)
                if size and size == sizes.get(worker):  # the import is complete
                    usual = max(usual, size)
                if usual:
                    _bound(worker, usual)
                    bounded.add(worker)
                sizes[worker] = size
            time.sleep(_SETTLE_S)
        search.finish_well()
        trials, measurements = search.trials(), search.measurements()
    return _told_of_memory(trials, measurements)


def _told_of_memory(trials: dict[int, Row], measurements: list[Row]) -> FaultOutcome:
    again = {number: row for number, row in trials.items() if row["starts"] > 1}
    require(bool(again), f"some trial was out of memory: {[dict(row) for row in trials.values()]}")
    # A library that runs out of memory where it cannot report it aborts, and the worker dies; such a trial may start three times.
    require(all(row["starts"] <= 3 for row in again.values()), "each is tried again once, or twice if its worker died")
    failed = _failed(trials)
    are_told = all(row["reason"].startswith(("out of memory", "its worker died")) for row in failed)
    require(are_told, f"reasons: {[row['reason'] for row in failed]}")
    require(all(row["starts"] >= 2 for row in failed), "none fails at its first attempt")
    for number in (
        number for number, row in again.items() if row["starts"] == 2
    ):  # on a node with two slots, a trial that takes both has no neighbour
        of_trial = [row["reported_s"] for row in measurements if (row["trial"], row["start"]) == (number, 2)]
        others = [row["reported_s"] for row in measurements if row["trial"] != number]
        require(
            not of_trial or not any(min(of_trial) < at < max(of_trial) for at in others),
            f"trial {number} had a neighbour",
        )
    notes = {"tried_again": len(again), "failed": len(failed), "reasons": [row["reason"] for row in failed]}
    return FaultOutcome(fault="a trial out of memory", times=len(again), notes=notes)


def _size_with_torch(worker: int) -> int:
    """Return the bytes of a process's address space once PyTorch is loaded, else 0."""
    try:
        lines = Path(f"/proc/{worker}/status").read_text().splitlines()
        has_torch = "libtorch_python" in Path(f"/proc/{worker}/maps").read_text()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmSize") and has_torch), 0)


def _bound(worker: int, size: int) -> None:
    """Limit a process to an address space of `size` bytes and a little more."""
    most = size + (_SLACK_MB << 20)
    with suppress(ProcessLookupError):
        resource.prlimit(worker, resource.RLIMIT_AS, (most, most))


def _write_sequences(path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 640)
    sequences = [(random.normal(size=(400, 1)) + label).astype(np.float32).tolist() for label in labels]
    pq.write_table(pa.table({"sequence": sequences, "label": [str(label) for label in labels]}), path)


# --- numbers that are not finite ----------------------------------------------------------------------------------------


def diverged(folder: Path, *, seed: int) -> FaultOutcome:
    """Search settings, some of which make weights, gradients and loss diverge."""
    with searching(folder, space=_RUNAWAY) as search:
        search.run(f"search.seed={seed}", "resources.concurrent=2")
        search.finish_well()
        trials = search.trials()
    rows = [row for row in trials.values() if row["ending"] == "diverged"]
    require(bool(rows), f"some trial diverges: {[(row['ending'], row['configuration']) for row in trials.values()]}")
    for row in rows:
        require("not finite at step" in row["reason"], row["reason"])
        require(re.search(r"learning_rate 0\.\d+, clipping none", row["reason"]) is not None, row["reason"])
        require(row["phase"] == "search" and row["trial"] not in _parents(trials), "none of them is a finalist")
    return FaultOutcome(fault="loss not finite", times=len(rows), notes={"reason": rows[0]["reason"]})


def _parents(trials: dict[int, Row]) -> set[Any]:
    return {row["parent"] for row in trials.values()}


def infinite_input(folder: Path, *, seed: int) -> FaultOutcome:
    """Use rows with an infinite value, which are refused before anything is written."""
    values = [[[1.0], [2.0]]] * 30 + [[[1.0], [float("inf")]]]
    table = pa.table({"sequence": values, "label": [str(number % 2) for number in range(len(values))]})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "rows.parquet")
    with searching(folder, space=_LARGE.replace("ROWS", str(folder / "rows.parquet"))) as search:
        search.run(f"search.seed={seed}")
        ended = search.finish()
        require(ended.code == 2 and "infinite value" in ended.stderr, f"{ended.code}: {ended.stderr}")
        require(not search.location.exists(), "nothing is written")
    return FaultOutcome(fault="input not finite", times=1, notes={"said": ended.stderr.splitlines()[-1]})


# --- the whole search ---------------------------------------------------------------------------------------------------


def every_trial_fails(folder: Path, *, seed: int) -> FaultOutcome:
    """Break PyTorch as a system update might: trials need it, the driver does not. Repair it, and resume."""
    broken = folder / "broken" / "torch"
    broken.mkdir(parents=True)
    cause = "libcudnn.so.9: cannot open shared object file: No such file or directory"
    (broken / "__init__.py").write_text(f"raise ImportError({cause!r})\n")
    path = os.pathsep.join(filter(None, (str(broken.parent), os.environ.get("PYTHONPATH"))))
    with searching(folder, environment={"PYTHONPATH": path}) as search:
        search.run("search.trials=200", f"search.seed={seed}", "resources.concurrent=2")
        ended = search.finish()
        require(ended.code == 1, f"ends with 1, not {ended.code}: {ended.stderr[-2000:]}")
        message = next(line for line in ended.stderr.splitlines() if line.startswith("error:"))
        require("every trial fails" in message and cause in message, message)
        tried = len(search.trials())
        require(tried < 20, f"it stops early, not after {tried} trials")
        shutil.rmtree(broken)  # with its compiled files
        search.resume("search.trials=4")
        search.finish_well()
    return FaultOutcome(fault="every trial fails", times=1, notes={"tried": tried, "said": message})


def time_budget(folder: Path, *, seed: int) -> FaultOutcome:
    """Let the time budget end the search."""
    return _reach(folder, "time", f"search.time={_BUDGET_S}", seed=seed)


def cost_budget(folder: Path, *, seed: int) -> FaultOutcome:
    """Let the cost budget end the search."""
    return _reach(folder, "cost", f"search.cost={_BUDGET_S}", "search.cost_per_hour=3600", seed=seed)


def _reach(folder: Path, budget: str, *settings: str, seed: int) -> FaultOutcome:
    with searching(folder) as search:
        search.run("search.trials=null", *settings, f"search.seed={seed}", "resources.concurrent=2")
        search.finish_well()
        shown, trials = search.call("show", search.location), search.trials()
        manifest = json.loads((search.location / "manifest.json").read_text())
    finalists = [row for row in trials.values() if row["phase"] == "finalist"]
    require(manifest["ended_by"] == budget, f"ended by {manifest['ended_by']}")
    require(f"{budget} budget" in shown.stdout, f"`tuner show` says so: {shown.stdout[:300]}")
    endings = [row["ending"] for row in finalists]
    require("completed" in endings and set(endings) <= {"completed", "cut short"}, f"finalists run: {endings}")
    seconds = manifest["seconds"]
    require(seconds <= _BUDGET_S + 2, f"within its budget of {_BUDGET_S} s, not {seconds:.1f}")
    notes = {"budget_s": _BUDGET_S, "seconds": seconds, "finalists": endings}
    return FaultOutcome(fault=f"{budget} budget reached", times=1, notes=notes)


FAULTS = (
    hang,
    out_of_memory,
    out_of_memory_once,
    memory_monitor,
    diverged,
    infinite_input,
    every_trial_fails,
    time_budget,
    cost_budget,
)
