"""Follows the nodes of a cluster while trials run: checks those that join, and counts the slots as nodes come and go."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tuner.errors import StorageError
from tuner.ray_backend.left_out import is_left_out, leave_out
from tuner.ray_backend.preflight import Meeting, Needs, NodeCheck, describe_left_out
from tuner.ray_backend.start import Machines, Node, list_nodes
from tuner.space.search_settings import ResourceSettings

_LOOK_EVERY_S = 2.0


class NodeWatch:
    """Knows on which nodes of a cluster trials may start: on those that have been checked and are not left out.

    `say` gets a note about each node that joins and cannot be used. `on_join` gets each other node that joins, and `on_slots`
    the number of slots when it changes.
    """

    def __init__(
        self,
        machines: Machines,
        resources: ResourceSettings,
        location: str,
        *,
        say: Callable[[str], None],
        on_join: Callable[[Node], None],
        on_slots: Callable[[int], None],
    ) -> None:
        self._resources, self._needs = resources, Needs(location, gpus=resources.gpus > 0)
        self._say, self._on_join, self._on_slots = say, on_join, on_slots
        self._fit = {node.node_id for node in machines.nodes if node.slots(resources)}
        self._slots = machines.slots(resources)
        self._checks: dict[str, tuple[NodeCheck, Meeting]] = {}
        self._looked_at = time.monotonic()

    @property
    def waiting_trials(self) -> int:
        """How many trials should wait for a slot: as many as run, or as there will be once the cluster has grown."""
        return max(self._slots, self._resources.concurrent or 0)

    def look(self) -> None:
        """Check nodes that have joined, take the results of checks, and count the slots; at most every two seconds."""
        self._take_results()
        if time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self._look_for_nodes()

    def may_start_on(self, node_id: str | None) -> bool | None:
        """Return whether a trial may start on a node, None if its check is not done yet."""
        if node_id is None or is_left_out(node_id):
            return False
        if node_id not in self._fit and node_id not in self._checks:
            self._look_for_nodes()
        self._take_results()
        if node_id in self._checks:
            return None
        return node_id in self._fit and not is_left_out(node_id)

    def checks(self) -> list[Any]:
        """Return what Ray can wait for: a reference to each check that is going on."""
        return [check.reference for check, _ in self._checks.values()]

    def _look_for_nodes(self) -> None:
        self._looked_at, nodes = time.monotonic(), list_nodes()
        for node in nodes:
            if node.node_id not in self._fit and node.node_id not in self._checks and node.slots(self._resources):
                with suppress(StorageError):  # of this moment; the next look tries again
                    self._begin_check(node)
        fit = tuple(node for node in nodes if node.node_id in self._fit)
        slots = Machines(fit).slots(self._resources)
        if slots and slots != self._slots:  # without any the plan stays as it is, until a node comes
            self._slots = slots
            self._on_slots(slots)

    def _begin_check(self, node: Node) -> None:
        meeting = Meeting(str(self._needs.location))
        self._checks[node.node_id] = NodeCheck(node, self._needs, meeting), meeting

    def _take_results(self) -> None:
        for node_id, (check, meeting) in list(self._checks.items()):
            if not check.is_done():
                continue
            report = check.report()
            del self._checks[node_id]
            meeting.leave()
            if report.faults:
                leave_out(node_id)
            else:
                self._fit.add(node_id)
                self._on_join(report.node)
            for note in (*map(describe_left_out, report.faults), *report.notes):
                self._say(f"note: {note}")
            self._looked_at = 0.0  # count the slots again at the next look
