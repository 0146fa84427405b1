"""Trials that run out of memory: recognise them, and try them once more with more room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

from tuner.ray_backend.cluster_nodes import alive_nodes
from tuner.trial.error_texts import is_out_of_memory

_MESSAGE_CHARACTERS = 300


def last_error(trial: Any) -> str:
    """Return Ray's record of a Ray trial's latest failure, "" if there is none.

    Reads the file that Ray appends to. Ray's own `get_error` reads a copy that is made later.
    """
    if trial.error_file is None or not Path(trial.error_file).exists():
        return ""
    return re.split(r"^Failure # .*\n", Path(trial.error_file).read_text(), flags=re.MULTILINE)[-1].strip()


def describe_out_of_memory(error: str, tries: int, *, has_whole_gpu: bool = False) -> str:
    """Return the reason for the ending of a trial whose last error says that memory ran out."""
    line = next(line for line in error.splitlines() if is_out_of_memory(line))
    message = line.removeprefix("MemoryError: ").removeprefix("out of memory: ")
    last = "a GPU of its own" if has_whole_gpu else "fewer trials beside it"
    return f"out of memory: {message[:_MESSAGE_CHARACTERS]} (tried {tries} times, the last with {last})"


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


def more_room(wanted: Mapping[str, float]) -> dict[str, float]:
    """Return twice the resources of a trial that ran out of memory, so that fewer trials run beside it on its next try.

    That try is its last. A trial that needs even more would only make its neighbours fail too.
    """
    twice = {name: 2 * amount for name, amount in wanted.items()}
    return _most_that_fits(twice, wanted, [node["Resources"] for node in alive_nodes()])


def _most_that_fits(
    twice: Mapping[str, float], wanted: Mapping[str, float], nodes: list[Mapping[str, float]]
) -> dict[str, float]:
    """Return twice the resources, but no more than one GPU, and no more than the largest node that fits a trial has."""
    fitting = [node for node in nodes if all(node.get(name, 0.0) >= amount for name, amount in wanted.items())]
    if not fitting:
        return dict(wanted)
    largest = max(fitting, key=lambda node: node.get("CPU", 0.0))
    most = {name: min(amount, largest[name]) for name, amount in twice.items() if amount}
    if "GPU" in most:  # a trial has no use for a second one
        most["GPU"] = min(most["GPU"], max(1.0, wanted["GPU"]))
    return most
