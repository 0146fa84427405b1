"""Places for trials on a cluster: only on nodes that have been checked and are not left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ray.air.execution import PlacementGroupResourceManager
from ray.air.execution.resources.request import ResourceRequest
from ray.tune.execution import tune_controller
from ray.tune.execution.tune_controller import TuneController
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from tuner.ray_backend.left_out import elsewhere, is_left_out
from tuner.ray_backend.node_watch import NodeWatch


class _Elsewhere(ResourceRequest):  # type: ignore[misc]
    """The same request, for a place on any node that is not left out."""

    def to_placement_group(self) -> PlacementGroup:
        given = self._bound.kwargs
        selectors = [elsewhere(each) for each in given.get("bundle_label_selector", [{}] * len(self.bundles))]
        return placement_group(*self._bound.args, **given | {"bundle_label_selector": selectors})


class CheckedPlaces(PlacementGroupResourceManager):  # type: ignore[misc]
    """Holds a placement group back until its node has been checked, and asks for another one if the node is left out.

    A node that joins gets placement groups at once. Nothing starts in them before the node is known to be fit.
    """

    watch: NodeWatch

    def __init__(self, update_interval_s: float = 0.1) -> None:
        super().__init__(update_interval_s)
        self._held: dict[PlacementGroup, ResourceRequest] = {}
        self._nodes: dict[PlacementGroup, str] = {}  # of the places that trials may use

    def node_of(self, place: PlacementGroup) -> str | None:
        """Return the node of a place that trials may use."""
        return self._nodes.get(place)

    def request_resources(self, resource_request: ResourceRequest) -> None:
        request = resource_request
        super().request_resources(
            _Elsewhere(request.bundles, request.strategy, *request._args, **request._kwargs) if elsewhere() else request
        )

    def get_resource_futures(self) -> list[Any]:
        # Ray waits for these; without any it would not pause.
        return [*super().get_resource_futures(), *(self.watch.checks() if self._held else ())]

    def update_state(self) -> None:
        super().update_state()
        for request, ready in self._request_to_ready_pgs.items():
            for place in [place for place in ready if place not in self._nodes]:
                ready.remove(place)
                self._held[place] = request
        for place, request in list(self._held.items()):
            node_id = placement_group_table(place)["bundles_to_node_id"].get(0) or None
            may_start = self.watch.may_start_on(node_id)
            if may_start is None:
                continue
            del self._held[place]
            if may_start:
                self._nodes[place] = str(node_id)
                self._request_to_ready_pgs[request].add(place)
            else:
                self._pg_to_request.pop(place)
                remove_placement_group(place)
                self.request_resources(request)

    def cancel_resource_request(self, resource_request: ResourceRequest) -> None:
        is_waiting = self._request_to_staged_pgs[resource_request] or self._request_to_ready_pgs[resource_request]
        if not is_waiting:
            self._release_one(resource_request)
        super().cancel_resource_request(resource_request)

    def free_resources(self, acquired_resource: Any) -> None:
        super().free_resources(acquired_resource)
        self._nodes.pop(acquired_resource.placement_group, None)

    def clear(self) -> None:
        for request in [*self._held.values()]:
            self._release_one(request)
        super().clear()

    def _release_one(self, request: ResourceRequest) -> None:
        place = next(place for place, each in self._held.items() if each == request)
        del self._held[place]
        self._request_to_ready_pgs[request].add(place)


@contextmanager
def places_on_checked_nodes(watch: NodeWatch) -> Iterator[None]:
    """Make Ray Tune start trials only on nodes that `watch` allows, and use nodes that join.

    The patched names are private to Ray, and a test fails if they change.
    """
    CheckedPlaces.watch = watch
    keep_worker, reuse_worker = TuneController._maybe_cache_trial_actor, TuneController._maybe_reuse_cached_actor

    def keep_on_fit_node(controller: Any, trial: Any) -> bool:
        """Keep the worker of a trial that has ended for another one, unless its node is left out."""
        controller.update_max_pending_trials(watch.waiting_trials)
        manager = controller._actor_manager
        acquired = manager.get_actor_resources(controller._trial_to_actor[trial])
        places = manager._resource_manager
        is_bad = acquired is not None and is_left_out(places.node_of(acquired.placement_group))
        return not is_bad and bool(keep_worker(controller, trial))

    def reuse_for_trial_without_worker(controller: Any, trial: Any) -> bool:
        """Give a worker to a trial, unless one is starting for it on another node.

        Ray would end that one. With short trials a worker is free all the time, and then no worker starts on a new node.
        """
        own = controller._trial_to_actor.get(trial)
        is_starting = own is not None and controller._actor_manager.is_actor_started(own)
        if is_starting and trial not in controller._resetting_trials:
            return False
        return bool(reuse_worker(controller, trial))

    with ExitStack() as stack:
        for owner, name, value in (
            (tune_controller, "PlacementGroupResourceManager", CheckedPlaces),
            (TuneController, "_maybe_cache_trial_actor", keep_on_fit_node),
            (TuneController, "_maybe_reuse_cached_actor", reuse_for_trial_without_worker),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
