"""Spread trials over the GPUs of a node. Ray fills one GPU after another, so fewer trials than fit leave the last ones idle."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from tuner.ray_backend.start import Node
from tuner.space.search_settings import ResourceSettings

_HELD_S = 60.0  # by then all trials have begun; each keeps its GPU
_READY_S = 5.0
_A_LITTLE = 0.001  # of a node, which binds what is held to it


def held_shares(node: Node, resources: ResourceSettings) -> list[float]:
    """Return how much of each GPU of a node to hold back, so that its trials spread evenly; all 0 if they fill the GPUs."""
    count = int(node.gpus)
    if not count or not 0 < resources.gpus <= 0.5:
        return []
    fitting = math.floor(1 / resources.gpus + 1e-9)
    trials = min(int(node.cpus // resources.cpus), count * fitting)
    each, more = divmod(trials, count)
    return [(fitting - each - (number < more)) * resources.gpus for number in range(count)]


@contextmanager
def spread_over_gpus(resources: ResourceSettings) -> Iterator[None]:
    """Hold back parts of GPUs while the first trials start. A GPU that other work uses is left as it is."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]] if resources.gpus else []
    held = [group for amounts in nodes for group in _hold(amounts, resources)]
    release = threading.Timer(_HELD_S, _release, [held])
    release.daemon = True
    release.start()
    try:
        yield
    finally:
        release.cancel()
        _release(held)


def _hold(amounts: Mapping[str, float], resources: ResourceSettings) -> list[PlacementGroup]:
    """Hold back parts of the GPUs of a node.

    Ray chooses the GPU by itself, one with room. So take every GPU whole, and one after another give it back in two parts: what
    is held, and a filling. At each moment only that GPU has room. In the end give back the fillings, and the GPUs left whole.
    """
    shares = held_shares(Node(cpus=amounts.get("CPU", 0.0), gpus=amounts.get("GPU", 0.0)), resources)
    name = next((name for name in amounts if name.startswith("node:") and name != "node:__internal_head__"), None)
    if name is None or not any(shares):
        return []
    taken = [_reserve(name, 1.0) for _ in shares]
    held: list[PlacementGroup] = []
    if _are_ready(taken):
        for share in filter(None, shares):
            whole = taken.pop(0)
            if share == 1:
                held.append(whole)
                continue
            remove_placement_group(whole)
            held.append(_reserve(name, share))
            taken.append(_reserve(name, 1 - share))
            if not _are_ready([held[-1], taken[-1]]):
                break
    _release(taken)
    return held


def _reserve(node: str, gpus: float) -> PlacementGroup:
    return placement_group([{"GPU": round(gpus, 4), node: _A_LITTLE}])


def _are_ready(groups: Sequence[PlacementGroup]) -> bool:
    return all(group.wait(_READY_S) for group in groups)


def _release(groups: list[Any]) -> None:
    while groups:
        with suppress(Exception):  # Ray is gone, and with it what was held
            remove_placement_group(groups.pop())
