"""Start and stop Ray, and run functions on its workers. Without Ray Tune, which would double the import time."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

# Ray reads these at import or start, so they are set before the import. None of them changes what Ray computes.
os.environ.update(
    {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_DEDUP_LOGS": "0",
        # Ray's C++ code writes errors to stderr, for example that it makes an object again whose node is lost.
        "RAY_BACKEND_LOG_LEVEL": os.environ.get("RAY_BACKEND_LOG_LEVEL", "fatal"),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # nobody reads Ray's snapshots: we read the ledger
        "TUNE_WARN_THRESHOLD_S": "10",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        # Ray starts a worker for each CPU at once. They import what trials need while the driver still reads the data.
        "RAY_preload_python_modules": "tuner.ray_backend.worker,tuner.trial.trial",
        # By default Ray ends workers that are idle for a second once their CPUs are reserved for trials, and then starts new
        # ones for the trials. Reading large data may take minutes.
        "RAY_idle_worker_killing_time_threshold_ms": "600000",
        # By default workers give way to every other process, so one busy program would nearly stop a search that has a time
        # budget. Whoever wants that starts tuner with `nice`.
        "RAY_worker_niceness": os.environ.get("RAY_worker_niceness", "0"),  # noqa: SIM112 (its name)
        # Makes Ray call this machine 127.0.0.1, so that everything it starts here listens only there. Otherwise most of it
        # listens on every address. A cluster that was started elsewhere keeps its own addresses.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
)
import ray
import ray.exceptions

from tuner.errors import Fault, SearchFailed, UsageError
from tuner.machine import count_cores
from tuner.ray_backend.access import asking_for_token, find_temporary_folder, private_folder, showing_token
from tuner.ray_backend.left_out import elsewhere, forget_nodes, is_left_out
from tuner.signals import holding_signals
from tuner.space.search_settings import ResourceSettings

_STANDARD_ERROR = 2
_UNUSED = ("start_monitor", "start_api_server", "start_log_monitor")
_AT_STOP = ExitStack()  # `stop_ray` closes it; a process has one Ray at a time


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, as Ray counts it. `facts` is what it said about itself, if it was asked."""

    cpus: float
    gpus: float
    node_id: str = ""
    host: str = ""
    address: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def slots(self, resources: ResourceSettings) -> int:
        """Return how many trials run here side by side. A trial with a part of a GPU has it on one GPU."""
        shares = [self.cpus / resources.cpus]
        if resources.gpus >= 1:
            shares.append(self.gpus / resources.gpus)
        elif resources.gpus:
            shares.append(int(self.gpus) * int(1 / resources.gpus + 1e-9))
        return int(min(shares) + 1e-9)

    def __str__(self) -> str:
        return f"node {self.address} ({self.host})"


@dataclass(frozen=True)
class Machines:
    """The nodes that trials may use, and notes for the user."""

    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()
    is_cluster: bool = False

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def slots(self, resources: ResourceSettings) -> int:
        """Return how many trials run side by side, 0 if none fits. A trial runs on one node."""
        fit = sum(node.slots(resources) for node in self.nodes)
        return fit if resources.concurrent is None else min(fit, resources.concurrent)

    def __str__(self) -> str:
        return "; ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in self.nodes) or "there is none"


def start_ray(address: str | None, resources: ResourceSettings) -> Machines:
    """Join the cluster at `address`, or start Ray on this machine without a dashboard and without output.

    On this machine Ray gets only the CPUs that the trials running side by side need. What it starts (GCS, raylet, the agent
    of runtime environments, workers, and this process) listens only on 127.0.0.1 and on Unix sockets in a folder of this
    user. It accepts only clients with this run's token.

    Raises UsageError if no cluster answers at the address, if it refuses this machine's token, or if no folder can hold
    Ray's sockets. Raises SearchFailed if Ray does not start here.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # failures are in the ledger, and we show them from there
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    with warnings.catch_warnings(), _sigterm_restored(), _without_reports(), _without_first_log_line():
        warnings.simplefilter("ignore")  # Ray warns about its future defaults, which the user cannot change
        notes = _start_here(resources, quiet) if address is None else _join(address, quiet)
    return Machines(list_nodes(), notes, is_cluster=address is not None)


def list_nodes() -> tuple[Node, ...]:
    """Return the nodes that are alive now and not left out."""
    return tuple(
        Node(
            cpus=each["Resources"].get("CPU", 0.0),
            gpus=each["Resources"].get("GPU", 0.0),
            node_id=each["NodeID"],
            host=each["NodeManagerHostname"],
            address=each["NodeManagerAddress"],
        )
        for each in ray.nodes()
        if each["Alive"] and not is_left_out(each["NodeID"])
    )


def _start_here(resources: ResourceSettings, quiet: Mapping[str, Any]) -> tuple[str, ...]:
    cpus = count_cores()
    if resources.concurrent is not None:
        cpus = min(cpus, resources.concurrent * resources.cpus)
    parent, notes = find_temporary_folder()
    _AT_STOP.enter_context(asking_for_token())
    folder = _AT_STOP.enter_context(private_folder(parent))
    try:
        with _without_unused_processes():
            ray.init(address="local", include_dashboard=False, num_cpus=cpus, _temp_dir=folder, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SearchFailed(f"Ray did not start on this machine: {error}") from error
    return notes


@contextmanager
def _without_unused_processes() -> Iterator[None]:
    """Let Ray start no autoscaler, no dashboard and no reader of logs, which nobody uses here.

    Each takes half a second of a core, and Ray waits for the dashboard before it starts workers. The methods are private to
    Ray, and a test fails if they change. Without them these processes only start as well.
    """
    from ray._private.node import Node

    before = {name: getattr(Node, name) for name in _UNUSED if hasattr(Node, name)}
    for name in before:
        setattr(Node, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Node, name, method)


@contextmanager
def _without_reports() -> Iterator[None]:
    """Let Ray print no reports of its nodes. If one is lost, that would be the last twenty lines of its log, with colours.

    `log_to_driver` does not stop them. The function is private to Ray, and a test fails if it changes.
    """
    from ray._private import worker

    listen = worker.listen_error_messages
    worker.listen_error_messages = lambda *_: None
    try:
        yield
    finally:
        worker.listen_error_messages = listen


@contextmanager
def _without_first_log_line() -> Iterator[None]:
    """Keep the line away from the terminal in which Ray's C++ code says that it has read RAY_BACKEND_LOG_LEVEL.

    It writes to file descriptor 2, which leads nowhere inside. Python's own standard error goes on, through a copy.
    """
    stream = sys.stderr
    if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != _STANDARD_ERROR:
        yield  # a Python caller replaced it
        return
    stream.flush()
    kept, nowhere = os.dup(_STANDARD_ERROR), os.open(os.devnull, os.O_WRONLY)
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # Python -u has no buffer
    outlet = type(raw)(kept, "w")  # as robust as the stream itself
    copy = io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding=stream.encoding, errors=stream.errors, line_buffering=True
    )
    os.dup2(nowhere, _STANDARD_ERROR)
    sys.stderr = copy
    try:
        yield
    finally:
        copy.flush()
        os.dup2(kept, _STANDARD_ERROR)
        sys.stderr = stream
        os.close(nowhere)  # another thread may write to the copy at this moment: it is closed with its last use


def _join(address: str, quiet: Mapping[str, Any]) -> tuple[str, ...]:
    notes = _AT_STOP.enter_context(showing_token(address))
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = f"the Ray cluster at {address!r} cannot be joined ({str(error).splitlines()[0]})"
        remedy = (
            "check it with `ray status` on the cluster's head node; without --address, `tuner run` uses this machine"
        )
        raise UsageError([Fault("--address", what, remedy)]) from error
    return notes


@contextmanager
def _sigterm_restored() -> Iterator[None]:
    """Restore the SIGTERM handler afterwards. Ray's own ends the driver with the signal's number as its exit code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        if error.code == signal.SIGTERM:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def stop_ray() -> None:
    """Leave the cluster, or stop the Ray that `start_ray` started. Does nothing without Ray."""
    with holding_signals():
        if ray.is_initialized():
            ray.shutdown()
        _AT_STOP.close()
        forget_nodes()


class Job:
    """A function that runs on a worker of its own, beside the trials and in none of their slots. Messages call it `name`."""

    def __init__(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        self._name = name
        # The function may lower the priority of its worker, so no trial may get that worker later.
        options = {"num_cpus": 0, "max_retries": 1, "max_calls": 1, "label_selector": elsewhere()}
        self._reference = ray.remote(**options)(function).remote(*arguments)

    def is_done(self) -> bool:
        """Return whether the function has finished."""
        ready, _ = ray.wait([self._reference], timeout=0)
        return bool(ready)

    def result(self) -> Any:
        """Wait for the result and return it. Raises SearchFailed if the function failed or its worker died."""
        try:
            return ray.get(self._reference)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise SearchFailed(f"the {self._name} failed on their worker: {cause!r}") from error
