"""Waits for nodes with room for a trial, and asks the cluster's autoscaler for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tuner.ray_backend.start import Machines, list_nodes
from tuner.show_value import show_duration
from tuner.space.search_settings import ResourceSettings

_POLL_S = 0.5
_SAY_EVERY_S = 60.0


def wait_for_room(
    machines: Machines, resources: ResourceSettings, *, say: Callable[[str], None], look: Callable[[], None]
) -> Machines:
    """Wait until a trial fits on a node, for at most `resources.wait`. Return the machines as they are then.

    `look` is called again and again meanwhile; it may raise. The caller finds out whether there is room.
    """
    begun, limit_s = time.monotonic(), resources.wait
    if limit_s is None or machines.slots(resources) or not machines.is_cluster:
        return machines
    wanted = f"cpus {resources.cpus}" + (f" and gpus {resources.gpus:g}" if resources.gpus else "")
    say(f"waiting up to {show_duration(limit_s)} for a node with room for a trial ({wanted})")
    said_at = begun
    with _asking_autoscaler(resources):
        while not machines.slots(resources) and time.monotonic() - begun < limit_s:
            look()
            time.sleep(_POLL_S)
            machines = replace(machines, nodes=list_nodes())
            if time.monotonic() - said_at >= _SAY_EVERY_S:
                said_at = time.monotonic()
                say(f"waiting for {show_duration(said_at - begun)}; the cluster has: {machines}")
    return machines


@contextmanager
def _asking_autoscaler(resources: ResourceSettings) -> Iterator[None]:
    """Ask the autoscaler for room for the trials; without one nobody listens. Afterwards the trials ask by themselves.

    Ray keeps a request until another one replaces it. One that stayed would keep paid machines for ever.
    """
    from ray.autoscaler.sdk import request_resources

    trial = {"CPU": resources.cpus, **({"GPU": resources.gpus} if resources.gpus else {})}
    request_resources(bundles=[trial] * (resources.concurrent or 1))
    try:
        yield
    finally:
        request_resources(bundles=[])
