"""What a search works with: rows, prepared for trials, and machines. Reading rows and starting Ray go on side by side."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData
from tuner.errors import Fault, SpaceError
from tuner.machine import available_bytes
from tuner.ray_backend.preflight import Needs, check_machines
from tuner.ray_backend.start import Machines, start_ray, stop_ray
from tuner.ray_backend.waiting import wait_for_room
from tuner.search.memory_estimate import refuse_large_data, refuse_large_files
from tuner.search.reading import read_data
from tuner.search.watcher import Watcher
from tuner.show_value import show_duration
from tuner.signals import raise_if_interrupted, sigterm_as_interrupt
from tuner.space.auto import are_gpus_left_to_search
from tuner.space.load import Space

_FAULTS_SHOW_S = 0.1  # most faults in data show within this time, and then nobody waits for Ray


@dataclass(frozen=True)
class SearchData:
    """The rows of a search, as read and as prepared for trials, and the machines that it runs on.

    `waited_s` is how long the search waited for nodes.
    """

    dataset: Dataset
    prepared: TrialData
    machines: Machines
    waited_s: float = 0.0


@contextmanager
def read_beside_ray(
    space: Space, location: str | None, address: str | None, watcher: Watcher
) -> Iterator[tuple[Space, SearchData]]:
    """Read the data and start Ray; stop Ray when the block ends. Inside, SIGTERM is an interrupt.

    Yield the space as it can run on the data, and the data. `location` is where the run will be, None if there will be
    none; the nodes of a cluster are checked beside the reading. Raises UsageError if no node passes.
    """
    available = available_bytes()

    def read() -> tuple[Space, Dataset, TrialData]:
        refuse_large_files(space, available, is_local=address is None)
        return read_data(space, watcher.say)

    with sigterm_as_interrupt():
        try:
            # Starting Ray takes seconds, and so does reading data; side by side they take as long as the slower one. Ray
            # starts in this thread, because its daemons end with the thread that started them.
            with ThreadPoolExecutor(1) as background:
                reading = background.submit(read)
                with suppress(TimeoutError):
                    reading.result(timeout=_FAULTS_SHOW_S)
                watcher.say(
                    "reading the data and starting Ray" if address is None else "reading the data and joining Ray"
                )
                machines = start_ray(address, space.resources)
                begun = time.monotonic()
                machines = wait_for_room(
                    machines, space.resources, say=watcher.say, look=partial(_raise_if_failed, reading)
                )
                waited_s = time.monotonic() - begun
                if machines.is_cluster or space.resources.gpus:
                    machines = check_machines(machines, space.resources, needs_of(space, location))
                if not reading.done():
                    watcher.say("Ray is ready; the rows are still being prepared")
                importlib.import_module("tuner.ray_backend.trials")  # meanwhile; this takes a second
                adapted, dataset, prepared = reading.result()
            slots = count_slots(adapted, machines) if address is None else 0
            refuse_large_data(adapted, dataset, prepared, available, slots=slots, say=watcher.say)
            raise_if_interrupted()
            yield adapted, SearchData(dataset, prepared, machines, waited_s)
        finally:
            stop_ray()


def _raise_if_failed(reading: Future[Any]) -> None:
    if reading.done():
        reading.result()


def needs_of(space: Space, location: str | None) -> Needs:
    """Return what the trials of a space need of a node."""
    is_auto = are_gpus_left_to_search(space.document)
    return Needs(location, gpus=space.resources.gpus > 0 or is_auto, are_gpus_optional=is_auto)


def count_slots(space: Space, machines: Machines) -> int:
    """Return how many trials run side by side. Raises SpaceError if no node has room for one."""
    resources = space.resources
    slots = machines.slots(resources)
    if slots:
        return slots
    when = f"after {show_duration(resources.wait)} " if machines.is_cluster and resources.wait else ""
    what = f"a trial needs cpus {resources.cpus:g} and gpus {resources.gpus:g}, but {when}no node has that many: {machines}"
    remedy = "ask for less, or join a larger cluster with --address"
    if machines.is_cluster:
        minutes = max(15, round((resources.wait or 0) / 30))  # twice as long as now
        remedy = f"ask for less, add nodes, or wait for them to come: --set resources.wait={minutes}m"
    raise SpaceError([Fault(f"{space.source}: resources", what, remedy)])
