"""Trials that run out of memory: recognise them, and try them once more with more room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

# oneDNN says no more than its last two if it cannot allocate a workspace. A "primitive descriptor" it lacks for other reasons.
_SIGNS = re.compile(
    "MemoryError|OutOfMemory|out of memory|can't allocate memory|not enough memory|low on memory"
    "|could not execute a primitive|could not create a primitive(?! descriptor)"
)
_MESSAGE_CHARACTERS = 300


def is_out_of_memory(error: object) -> bool:
    """Return whether an error of Python, PyTorch or Ray says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return _SIGNS.search(f"{type(error).__name__}: {error}") is not None


def last_error(trial: Any) -> str:
    """Return Ray's record of a Ray trial's latest failure, "" if there is none.

    Reads the file that Ray appends to. Ray's own `get_error` reads a copy that is made later.
    """
    if trial.error_file is None or not Path(trial.error_file).exists():
        return ""
    return re.split(r"^Failure # .*\n", Path(trial.error_file).read_text(), flags=re.MULTILINE)[-1].strip()


def describe_out_of_memory(error: str, tries: int) -> str:
    """Return the reason for the ending of a trial whose last error says that memory ran out."""
    line = next(line for line in error.splitlines() if is_out_of_memory(line))
    message = line.removeprefix("MemoryError: ").removeprefix("out of memory: ")
    return f"out of memory: {message[:_MESSAGE_CHARACTERS]} (tried {tries} times, the last with fewer trials beside it)"


@contextmanager
def memory_kills_as_deaths() -> Iterator[None]:
    """Make Ray Tune treat a worker that Ray's memory monitor killed as one that died.

    Ray Tune does not know the monitor's error and would end the search. The patched method is private to Ray; a test fails
    if it changes.
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
    """Double the resources of a Ray trial that is about to be retried, so that fewer trials run beside it.

    This is its last try. A trial that needs even more would only make its neighbours fail too.
    """
    trial.max_failures = trial.run_metadata.num_failures
    wanted = dict(trial.placement_group_factory.required_resources)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    trial.update_resources(_most_that_fits({name: 2 * amount for name, amount in wanted.items()}, wanted, nodes))


def _most_that_fits(
    twice: Mapping[str, float], wanted: Mapping[str, float], nodes: list[Mapping[str, float]]
) -> dict[str, float]:
    """Return twice the resources, but no more than the largest node that fits a trial has."""
    fitting = [node for node in nodes if all(node.get(name, 0.0) >= amount for name, amount in wanted.items())]
    if not fitting:
        return dict(wanted)
    largest = max(fitting, key=lambda node: node.get("CPU", 0.0))
    most = {name: min(amount, largest[name]) for name, amount in twice.items() if amount}
    # Ray gives a trial a fraction of one GPU, or several whole ones.
    return {name: float(int(amount)) if name == "GPU" and amount > 1 else amount for name, amount in most.items()}
