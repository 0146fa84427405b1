"""Probes on a GPU of the cluster: trials that train side by side for a moment. Each runs in an actor of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuner.data.trial_data import TrialData
from tuner.ray_backend.left_out import elsewhere
from tuner.space.configuration import Configuration
from tuner.trial.order import TrialSettings

_START_S = 90.0  # a worker imports PyTorch, and the GPU's driver starts
_LATE_S = 30.0  # beside the seconds that a probe is asked to train


class ProbeError(Exception):
    """A GPU could not be measured. The message says why."""


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """One GPU, the node that it is on, and what the largest setting takes of its memory. `problem`: why it cannot be used."""

    node: str
    name: str = ""
    memory_bytes: int = 0
    need_bytes: int = 0
    problem: str = ""


def share(data: TrialData) -> Any:
    """Put data where the workers of the cluster read them, once for all, and return a reference to them."""
    return ray.put(data)


class _Probe:
    """Runs in a worker. Only the worker imports PyTorch."""

    def __init__(self, configuration: Configuration, data: TrialData, settings: TrialSettings) -> None:
        self._arguments = configuration, data, settings
        self._probe: Any = None

    def start(self) -> None:
        """Build the trial and take its first steps, if that has not been done."""
        from tuner.trial.probe import TrialProbe

        if self._probe is None:
            self._probe = TrialProbe(*self._arguments)

    def facts(self) -> GpuFacts:
        """Return what is known of the GPU."""
        from tuner.training.device import describe_gpu, find_problem, is_gpu

        node, device = ray.get_runtime_context().get_node_id(), self._arguments[2].device
        problem = find_problem(device)
        if problem is not None:
            return GpuFacts(node=node, problem=problem)
        name, memory_bytes = describe_gpu(device) if is_gpu(device) else ("", 0)
        self.start()
        return GpuFacts(node=node, name=name, memory_bytes=memory_bytes, need_bytes=self._probe.need_bytes())

    def steps_per_second(self, seconds: float) -> float:
        self.start()  # again, if the worker died
        rate: float = self._probe.steps_per_second(seconds)
        return rate


def find_facts(largest: Configuration, data: Any, settings: TrialSettings, *, cpus: int, gpus: float = 1.0) -> GpuFacts:
    """Return the facts of a whole free GPU, on a node that is not left out. `data` are the TrialData, or Ray's reference to them.

    Raises ProbeError if no GPU is free within a minute and a half, or if the probe fails.
    """
    with _probes(1, (largest, data, settings), cpus=cpus, gpus=gpus, label_selector=elsewhere()) as (probe,):
        facts: GpuFacts = _get([probe.facts.remote()], _START_S)[0]
    return facts


@contextmanager
def probes_on(
    facts: GpuFacts,
    count: int,
    configuration: Configuration,
    data: Any,
    settings: TrialSettings,
    *,
    cpus: int,
    gpus: float,
) -> Iterator[Callable[[int, float], float]]:
    """Start `count` probes with `gpus` each on the node of a GPU. Yield a function that measures some of them.

    It takes how many train side by side and for how many seconds, and returns their steps a second together. Raises ProbeError
    if they do not start in time, or if one dies.
    """
    strategy = NodeAffinitySchedulingStrategy(node_id=facts.node, soft=False)
    with _probes(count, (configuration, data, settings), cpus=cpus, gpus=gpus, scheduling_strategy=strategy) as probes:
        _get([probe.start.remote() for probe in probes], _START_S)

        def measure(number: int, seconds: float) -> float:
            rates = _get([probe.steps_per_second.remote(seconds) for probe in probes[:number]], seconds + _LATE_S)
            return float(sum(rates))

        yield measure


@contextmanager
def _probes(count: int, arguments: tuple[Any, ...], *, cpus: int, gpus: float, **options: Any) -> Iterator[list[Any]]:
    kind = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=1, max_task_retries=1, **options)(_Probe)
    probes = [kind.remote(*arguments) for _ in range(count)]
    try:
        yield probes
    finally:
        for probe in probes:
            ray.kill(probe)


def _get(references: Sequence[Any], timeout_s: float) -> list[Any]:
    try:
        return list(ray.get(list(references), timeout=timeout_s))
    except ray.exceptions.GetTimeoutError:
        raise ProbeError(f"no answer within {timeout_s:.0f} s") from None
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise ProbeError((str(cause).splitlines() or [type(cause).__name__])[0]) from error
