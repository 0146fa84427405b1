"""Where trials go: away from nodes that fail, and what is known about the places where they ran."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import ray
from ray import tune

from tuner.ray_backend import cluster_nodes
from tuner.ray_backend.bad_gpus import BadGpus
from tuner.ray_backend.cluster_nodes import alive_nodes, count_gpus, node_name, node_of_failure
from tuner.ray_backend.left_out import avoiding, is_left_out, leave_out
from tuner.trial.error_texts import is_broken_device
from tuner.trial.order import Order, TrialQueue
from tuner.trial.place import Place, PlaceHealth

_GPU = re.compile(r" on GPU (\S+)$")  # as a worker ends its message


def request(resources: Mapping[str, float], away_from: Collection[str]) -> tune.PlacementGroupFactory:
    """Return what a trial asks Ray for: these resources, on none of the nodes with these ids."""
    selector = {"bundle_label_selector": [avoiding(away_from)]} if away_from else {}
    return tune.PlacementGroupFactory([dict(resources)], **selector)


class TrialPlaces:
    """Knows where each trial runs, counts failures by place, and says where trials should not go."""

    def __init__(self, queue: TrialQueue) -> None:
        self._queue, self._health = queue, PlaceHealth()
        self._places: dict[int, Place] = {}
        self._failed_on: dict[int, set[str]] = {}
        self._bad_gpus = BadGpus()
        self._names: dict[str, str] = {}
        self._lost: set[tuple[int, str]] = set()
        self._measured: set[int] = set()  # of the trials that run now

    def seen(self, order: Order, result: Mapping[str, Any]) -> None:
        """Note where a trial runs, from what its worker sent."""
        if "node_id" not in result or order.index in self._places:
            return
        place = self._places[order.index] = Place(result["node_id"], result.get("gpu", ""))
        self._queue.placed(order, self._name(place.node), place.gpu)

    def started(self, order: Order) -> None:
        """Forget where a trial ran before."""
        self._places.pop(order.index, None)
        self._measured.discard(order.index)

    def node_of(self, order: Order) -> str | None:
        """Return the id of the node on which a trial runs, None if that is not known yet."""
        place = self._places.get(order.index)
        return place.node if place else None

    def measured(self, order: Order) -> None:
        """Note that a trial came as far as a measurement. Each start counts once, however long it goes on."""
        if order.index in self._places and order.index not in self._measured:
            self._measured.add(order.index)
            self._health.measured(self._places[order.index], order.index)

    def forget(self, order: Order) -> None:
        """Forget an ended trial."""
        self.started(order)
        self._failed_on.pop(order.index, None)

    def is_lost(self, order: Order, error: str) -> bool:
        """Return whether a trial's worker died because its node is gone, and tell the queue, once for each loss."""
        place = self._place_of(order, error)
        if place is None or not ("its node has died" in error or cluster_nodes.is_lost(place.node)):
            return False
        if (order.index, place.node) not in self._lost:
            self._lost.add((order.index, place.node))
            self._queue.node_lost(order, self._name(place.node))
        return True

    def failed(self, order: Order, message: str, error: str, wanted: Mapping[str, float]) -> None:
        """Count a failure that may be the fault of its place; leave the place out if there are too many.

        `message` says in a line what happened, `error` is all that Ray recorded.
        """
        place = self._place_of(order, error)
        if place is None:
            return
        gpu = _GPU.search(message)
        place = Place(place.node, gpu[1]) if gpu else place
        self._queue.placed(order, self._name(place.node), place.gpu)
        self._failed_on.setdefault(order.index, set()).add(place.node)
        self._places.pop(order.index, None)
        is_broken = is_broken_device(message)
        bad = self._health.failed(place, order.index, is_broken=is_broken)
        usable = self.usable(wanted)
        if bad is not None and bad.gpu and count_gpus(bad.node) > 1:
            self._leave_out_gpu(bad, wanted, message)
        elif bad is not None and bad.node in usable and len(usable) > 1:
            leave_out(bad.node)
            self._queue.left_out(f"node {self._name(bad.node)}", message)
        elif is_broken and self._health.is_hopeless(usable):
            self._queue.give_up(
                f"the last trials all failed on broken devices, and there is no other node, so the search has stopped: {message}"
            )

    def look(self) -> None:
        """Go on with what takes a while: call this about once a second."""
        self._bad_gpus.look()

    def _leave_out_gpu(self, place: Place, wanted: Mapping[str, float], message: str) -> None:
        if self._bad_gpus.is_known(place):
            return
        self._bad_gpus.occupy(place, wanted["GPU"])
        self._queue.left_out(f"GPU {place.gpu} of node {self._name(place.node)}", message)

    def usable(self, wanted: Mapping[str, float]) -> set[str]:
        """Return the ids of the nodes that are large enough for a trial and not left out."""
        return {
            node["NodeID"]
            for node in alive_nodes()
            if not is_left_out(node["NodeID"])
            and all(node["Resources"].get(name, 0.0) >= amount for name, amount in wanted.items())
        }

    def away_from(self, order: Order, wanted: Mapping[str, float]) -> Collection[str]:
        """Return the ids of the nodes where a trial has failed, if another one can take it."""
        failed_on = self._failed_on.get(order.index, set())
        return failed_on if failed_on and self.usable(wanted) - failed_on else ()

    def _name(self, node_id: str) -> str:
        """Return what people call a node, the same for the whole search. Asking Ray takes as long as it has nodes."""
        if node_id not in self._names:
            self._names[node_id] = node_name(node_id)
        return self._names[node_id]

    def _place_of(self, order: Order, error: str) -> Place | None:
        if order.index in self._places:
            return self._places[order.index]
        node = node_of_failure(error) if ray.is_initialized() else None
        return Place(node) if node else None
