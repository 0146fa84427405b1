"""Nodes on which no trial may start. Placement groups go elsewhere by the label with its id that Ray gives every node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_LABEL = "ray.io/node-id"
_LEFT_OUT: dict[str, None] = {}  # in the order in which they were left out; of the one cluster that this process is in


def leave_out(node_id: str) -> None:
    """Let no further trial start on a node. Trials that run there go on, and their workers take no other trial."""
    _LEFT_OUT[node_id] = None


def is_left_out(node_id: str | None) -> bool:
    """Return whether no trial may start on a node."""
    return node_id in _LEFT_OUT


def elsewhere(selector: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the label selector of what may run on every node but those that are left out, and those that `selector` avoids."""
    avoided = (selector or {}).get(_LABEL, "!in()").removeprefix("!in(").removesuffix(")")
    return avoiding([*filter(None, avoided.split(",")), *_LEFT_OUT])


def avoiding(node_ids: Iterable[str]) -> dict[str, str]:
    """Return the label selector of what may run on every node but these."""
    ids = ",".join(sorted(set(node_ids)))
    return {_LABEL: f"!in({ids})"} if ids else {}


def forget_nodes() -> None:
    """Leave no node out any more, because this process leaves its cluster."""
    _LEFT_OUT.clear()
