"""How many trials share a GPU, decided from what was measured. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.ray_backend.start import Node
from tuner.show_value import show_count
from tuner.space.assignment import set_option
from tuner.space.auto import GPUS
from tuner.space.search_settings import ResourceSettings

MOST = 32
"""More trials on one GPU were never faster, and each takes a core."""
_UNMEASURED = 8  # trials a GPU, if there is no time to measure their speed
_NEARLY_BEST = (
    0.95  # of the highest throughput: fewer trials at nearly the same speed leave each of them more of the GPU
)
_WORTH_MORE = 1.05  # times the throughput with half as many; below that, still more trials are not tried
_USABLE = 0.95  # of a GPU's memory: PyTorch's own cache is never quite full
_SPARE = 1.25  # times the memory of the largest setting that was drawn, as a larger one may come


@dataclass(frozen=True, kw_only=True)
class GpuMeasurement:
    """What was measured on one GPU: steps a second of all trials together by how many ran, and the largest setting's memory.

    `problem` says why there is nothing more; then `rates` may be empty.
    """

    gpu: str = ""
    memory_bytes: int = 0
    need_bytes: int = 0
    rates: Mapping[int, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """The choice: `trials` share a GPU, 0 if trials run on CPUs. `why` is what people read, `measured` what it comes from."""

    trials: int
    why: str
    measured: GpuMeasurement

    @property
    def gpus(self) -> float:
        """The share of a GPU for each trial. It is rounded down, as Ray counts in ten-thousandths."""
        return math.floor(10_000 / self.trials) / 10_000 if self.trials else 0.0

    @property
    def sentence(self) -> str:
        """The choice in one line."""
        if not self.trials:
            return f"GPUs are not used: {self.why}"
        shared = "each trial has a GPU" if self.trials == 1 else f"{show_count(self.trials, 'trial')} share a GPU"
        return f"{shared}{f' ({self.measured.gpu})' if self.measured.gpu else ''}: {self.why}"

    def entry(self) -> dict[str, Any]:
        """Return the choice as JSON values for the ledger."""
        measured = asdict(self.measured)
        rates = {str(count): rate for count, rate in self.measured.rates.items()}
        return {"trials_per_gpu": self.trials, "gpus": self.gpus, "sentence": self.sentence, **measured, "rates": rates}


def most_for_cores(nodes: Sequence[Node], resources: ResourceSettings) -> int:
    """Return the most trials for which a GPU of some node has cores, at least 1 and at most MOST.

    With `concurrent`, count only as many trials as may run at once, spread over all GPUs.
    """
    with_gpus = [node for node in nodes if node.gpus >= 1]
    by_cores = max((math.ceil(node.cpus // resources.cpus / node.gpus) for node in with_gpus), default=1)
    if resources.concurrent is not None:
        by_cores = min(by_cores, math.ceil(resources.concurrent / sum(node.gpus for node in with_gpus)))
    return max(1, min(MOST, by_cores))


def most_for_memory(memory_bytes: int, need_bytes: int) -> int:
    """Return for how many trials the memory of a GPU is enough, at least 1."""
    return max(1, int(_USABLE * memory_bytes / (_SPARE * need_bytes))) if need_bytes else MOST


def counts_to_try(most: int) -> list[int]:
    """Return how many trials to try side by side: 1, 2, 4, … and `most`."""
    return [*(1 << power for power in range(most.bit_length()) if 1 << power < most), most]


def is_worth_more(rates: Mapping[int, float]) -> bool:
    """Return whether still more trials may be faster, after rates with growing numbers of them."""
    *_, before, last = (0.0, *rates.values())
    return last >= _WORTH_MORE * before


def choose_packing(measured: GpuMeasurement, *, most: int) -> Packing:
    """Choose how many trials share a GPU, where the cores are enough for `most`."""
    fitting = min(most, most_for_memory(measured.memory_bytes, measured.need_bytes))
    rates = {count: rate for count, rate in measured.rates.items() if count <= fitting and rate > 0}
    if not rates and measured.problem:
        return Packing(trials=1, why=f"their speed could not be measured ({measured.problem})", measured=measured)
    if not rates:
        trials = min(fitting, _UNMEASURED)
        return Packing(
            trials=trials, why=f"{_limit(most, fitting)}, and there is no time to measure", measured=measured
        )
    trials = min(count for count, rate in rates.items() if rate >= _NEARLY_BEST * max(rates.values()))
    listed = ", ".join(f"{count}: {rate:,.0f}" for count, rate in rates.items())
    parts = [f"steps a second by trials on it are {listed}"]
    if trials == fitting:
        parts.append(_limit(most, fitting))
    if measured.problem:
        parts.append(f"more could not be measured ({measured.problem})")
    return Packing(trials=trials, why="; ".join(parts), measured=measured)


def note_on_idle_cpus(packing: Packing, nodes: Sequence[Node]) -> str | None:
    """Say which CPUs no trial uses because each has a share of a GPU; None if there are none."""
    idle = sum(node.cpus for node in nodes if not node.gpus)
    if not packing.trials or not idle:
        return None
    remedy = set_option(f"resources.{GPUS}", 0)
    return f"{show_count(idle, 'CPU')} of nodes without a GPU stay idle; {remedy} uses the CPUs of all nodes instead of GPUs"


def _limit(most: int, fitting: int) -> str:
    return f"its memory is enough for {fitting}" if fitting < most else f"the cores are enough for {most}"
