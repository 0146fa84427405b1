"""Trials that are out of memory: told apart from other failures, and tried once more with more room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray

_SIGNS = ("MemoryError", "OutOfMemory", "out of memory", "can't allocate memory", "not enough memory", "low on memory")


def is_out_of_memory(error: object) -> bool:
    """Return whether an error, Python's, PyTorch's or Ray's, says that memory has run out."""
    if isinstance(error, MemoryError):
        return True
    told = f"{type(error).__name__}: {error}"
    return any(sign in told for sign in _SIGNS)


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
    return {name: min(amount, largest[name]) for name, amount in twice.items() if amount}
