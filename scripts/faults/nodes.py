"""Lost nodes of a cluster, and one that comes back. Each node is a raylet of its own on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.processes import processes
from faults.search import FaultOutcome, SearchProcess, compare, finished, require, searching, sets

NODES = 3
_RUNG = 4
_LONG = ("search.trials=1", "search.finalists=1", f"search.seeds={NODES}", "search.max_epochs=140",
         f"search.grace_epochs={_RUNG}", "search.reduction_factor=21", "search.reports_per_epoch=1")  # fmt: skip
"""One finalist run for each node, which no rung stops. Every measurement after the rung has a checkpoint before it."""
_GONE_WITHIN_S = 30.0
_POLL_S = 0.05


def node_lost(folder: Path, *, seed: int) -> FaultOutcome:
    """Kill one of three nodes that run trials and replace it. Then kill another one for good."""
    return lose_nodes(folder, (True, False), seed=seed)


def lose_nodes(folder: Path, comes_back: tuple[bool, ...], *, seed: int) -> FaultOutcome:
    """Kill a node for each entry of `comes_back`, which says whether a new node replaces it at once."""
    with cluster() as machines, searching(folder) as search:
        search.start(
            "run", search.space, "--name", search.location.name, "--runs", search.location.parent,
            "--address", machines.address, *sets((*_LONG, f"search.seed={seed}")),
        )  # fmt: skip
        search.wait_until(lambda: len(_past_rung(search)) == NODES)
        before = finished(search.trials())
        seconds = [_lose(search, machines, comes_back=each) for each in comes_back]
        search.finish_well()
        after, gone_on = search.trials(), _gone_on_at(search)
        require(not search.faults(), str(search.faults()))
        require(not search.litter(), str(search.litter()))
        machines.wait_until_idle()
    starts = {number: row["starts"] for number, row in after.items()}
    require(
        sum(starts.values()) == len(starts) + len(seconds), f"each loss costs one restart and nothing else: {starts}"
    )
    require(all(epochs > _RUNG for epochs in gone_on), f"trials continue from their checkpoints: {gone_on}")
    lost, repeated = compare(before, after)
    return FaultOutcome(
        fault="a node lost",
        times=len(seconds),
        lost=lost,
        repeated=repeated,
        seconds=seconds,
        notes={"starts": starts, "gone_on_at_epochs": gone_on},
    )


def _lose(search: SearchProcess, machines: Nodes, *, comes_back: bool) -> float:
    """Lose a node. Return the seconds until its trial measures again; if no slot is free, the trial waits for one."""
    reported = _again(search)
    start = time.monotonic()
    machines.lose_one()
    if comes_back:
        machines.add()
    search.wait_until(lambda: len(_again(search)) > len(reported))
    return time.monotonic() - start


def _past_rung(search: SearchProcess) -> set[int]:
    if not search.has_begun():
        return set()
    return {row["trial"] for row in search.measurements() if row["trial"] > 0 and row["epochs"] > _RUNG + 1}


def _again(search: SearchProcess) -> set[tuple[int, int]]:
    return {(row["trial"], row["start"]) for row in search.measurements() if row["start"] > 1}


def _gone_on_at(search: SearchProcess) -> list[float]:
    """Return the epochs at which trials sent their first measurement after the loss."""
    rows = search.measurements()
    return [
        min(row["epochs"] for row in rows if (row["trial"], row["start"]) == each) for each in sorted(_again(search))
    ]


# --- a cluster on this machine ------------------------------------------------------------------------------------------


class Nodes:
    """A head and other nodes, one CPU each."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self.address = str(made.address)

    def add(self) -> None:
        """Add a node."""
        self._made.add_node(num_cpus=1)

    def lose_one(self) -> None:
        """Kill a node that runs a trial and is not the head. Wait until none of its workers is left."""
        node = next(each for each in self._made.worker_nodes if _trial_workers(each))
        workers = _trial_workers(node)
        self._made.remove_node(node, allow_graceful=False)
        _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), f"workers outlive it: {workers}")

    def wait_until_idle(self) -> None:
        """Wait until no node runs a trial."""
        nodes = [self._made.head_node, *self._made.worker_nodes]
        _wait_until(lambda: not any(map(_trial_workers, nodes)), "trial workers outlive their search")


@contextmanager
def cluster(nodes: int = NODES) -> Iterator[Nodes]:
    """Start a cluster of so many nodes, which ends with the block. It asks for no token."""
    before = {
        name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_TMPDIR", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    }
    # Paths of Unix sockets must be short. Several nodes on one address must be allowed explicitly.
    with TemporaryDirectory(prefix="tf-", ignore_cleanup_errors=True) as folder:
        os.environ.update({"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": folder})
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            machines = Nodes(made)
            for _ in range(nodes - 1):
                machines.add()
            yield machines
        finally:
            made.shutdown()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _trial_workers(node: Any) -> list[int]:
    """Return the processes of a node that run trials."""
    raylets = {info.process.pid for info in node.all_processes.get("raylet", ())}
    return [process.pid for process in processes() if process.parent in raylets and process.is_trial_worker]


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _GONE_WITHIN_S
    while not condition():
        require(time.monotonic() < deadline, otherwise)
        time.sleep(_POLL_S)


FAULTS = (node_lost,)
