"""What Ray says about the nodes of the cluster: their names, which are lost or about to stop, and where a worker ran."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray
from ray._private import state

_CONNECT_S = 1.0
_ACTOR = re.compile(r"actor_id[=:]\s*([0-9a-f]{32})")


def alive_nodes() -> list[Mapping[str, Any]]:
    """Return the nodes that can run something, as Ray describes them. There is none outside of Ray."""
    if not ray.is_initialized():
        return []
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def count_gpus(node_id: str) -> float:
    """Return how many GPUs a node has."""
    return sum(float(node["Resources"].get("GPU", 0.0)) for node in alive_nodes() if node["NodeID"] == node_id)


def here() -> dict[str, str]:
    """Return the `node_id` of this worker and its `gpu`, "" without one. Empty outside of Ray."""
    if not ray.is_initialized():
        return {}
    context = ray.get_runtime_context()
    return {"node_id": context.get_node_id(), "gpu": ",".join(context.get_accelerator_ids().get("GPU", []))}


def node_of_failure(error: str) -> str | None:
    """Return the id of the node on which the worker ran that an error of Ray is about, None if Ray does not know it."""
    actor = _ACTOR.search(error)
    known = state.actors(actor[1]) if actor else None
    return (known or {}).get("Address", {}).get("NodeID") or None


def is_lost(node_id: str) -> bool:
    """Return whether a node is gone. Its raylet refuses to answer long before Ray counts the node as dead."""
    node = next((node for node in ray.nodes() if node["NodeID"] == node_id), None)
    if node is None or not node["Alive"]:
        return True
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), _CONNECT_S).close()
    except OSError:
        return True
    return False


def draining_nodes() -> set[str]:
    """Return the ids of the nodes that will stop soon: on spot machines, or after SIGTERM to `ray start --block`."""
    return set(state.state.get_draining_nodes())


def node_name(node_id: str) -> str:
    """Return what people call a node: the name that `ray start --node-name` gave it, or its host's name.

    If several nodes have this name, their addresses make it unique, or else the beginning of their ids.
    """
    nodes = ray.nodes()
    node = next((each for each in nodes if each["NodeID"] == node_id), None)
    if node is None:
        return node_id[:8]
    address, name = node["NodeManagerAddress"], _plain_name(node)
    same = [each for each in nodes if _plain_name(each) == name and each["Alive"]]
    if len(same) <= 1:
        return name
    addresses = Counter(each["NodeManagerAddress"] for each in same)
    return f"{name} ({address if addresses[address] == 1 else node_id[:8]})"


def _plain_name(node: Mapping[str, Any]) -> str:
    has_own_name = node["NodeName"] != node["NodeManagerAddress"]
    return str(node["NodeName"] if has_own_name else node["NodeManagerHostname"])
