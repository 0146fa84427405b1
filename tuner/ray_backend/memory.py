"""Trials that are out of memory: told apart from other failures, and tried once more with more room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

_SIGNS = (
    "MemoryError",
    "OutOfMemory",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "low on memory",
    "could not execute a primitive",  # all that oneDNN says where it finds no room for what it works in
)
_TOLD = 300  # characters of an error


def is_out_of_memory(error: object) -> bool:
    """Return whether an error, Python's, PyTorch's or Ray's, says that memory has run out."""
    if isinstance(error, MemoryError):
        return True
    told = f"{type(error).__name__}: {error}"
    return any(sign in told for sign in _SIGNS)


def last_error(trial: Any) -> str:
    """Return what Ray wrote down of the latest failure of one of its trials, nothing where it wrote nothing.

    From the file that Ray appends to: its own `get_error` looks where that file is copied to later.
    """
    if trial.error_file is None or not Path(trial.error_file).exists():
        return ""
    return re.split(r"^Failure # .*\n", Path(trial.error_file).read_text(), flags=re.MULTILINE)[-1].strip()


def describe_out_of_memory(error: str, tries: int) -> str:
    """Return the reason of a trial whose last error says that memory has run out."""
    line = next(each for each in error.splitlines() if is_out_of_memory(each))
    told = line.removeprefix("MemoryError: ").removeprefix("out of memory: ")
    return f"out of memory: {told[:_TOLD]} (tried {tries} times, the last with fewer trials beside it)"


@contextmanager
def kills_for_memory_told() -> Iterator[None]:
    """Let Ray Tune take a worker that Ray's memory monitor kills for one that died.

    It knows nothing of such an error, and would end the search. The method is Ray's own; a test notices if it changes.
    """
    original = RayActorManager._actor_task_failed

    def fail(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        is_killed = isinstance(exception, OutOfMemoryError)
        original(manager, tracked_actor_task, RayActorError(error_msg=str(exception)) if is_killed else exception)

    RayActorManager._actor_task_failed = fail
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = original


def give_more_room(trial: Any) -> None:
    """Let one of Ray's trials, which is about to be tried again, take twice of a node what it took: fewer run beside it.

    It is tried once: a trial that needs more than that would only take its neighbours with it.
    """
    trial.max_failures = trial.run_metadata.num_failures
    wanted = dict(trial.placement_group_factory.required_resources)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    trial.update_resources(_most_that_fits({name: 2 * amount for name, amount in wanted.items()}, wanted, nodes))


def _most_that_fits(
    twice: Mapping[str, float], wanted: Mapping[str, float], nodes: list[Mapping[str, float]]
) -> dict[str, float]:
    """Return twice the resources, each bounded by what the largest node that fits a trial has."""
    fitting = [node for node in nodes if all(node.get(name, 0.0) >= amount for name, amount in wanted.items())]
    if not fitting:
        return dict(wanted)
    largest = max(fitting, key=lambda node: node.get("CPU", 0.0))
    most = {name: min(amount, largest[name]) for name, amount in twice.items() if amount}
    # Ray shares one GPU among trials, but gives several to one only whole.
    return {name: float(int(amount)) if name == "GPU" and amount > 1 else amount for name, amount in most.items()}
