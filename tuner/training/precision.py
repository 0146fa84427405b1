"""Which number format the LSTM computes in."""

from __future__ import annotations

import functools
import time

import torch
from torch import nn

# bfloat16 about halves the step where the processor has instructions for it and slows it several times where it has not,
# so a wide margin makes the choice the same in every measurement on one machine.
_WORTH_IT = 1.2
_BATCH, _TIME, _REPEATS = 64, 16, 3


@functools.cache
def choose_precision(hidden: int, device: str) -> str:
    """Measure one LSTM layer forward and backward in both formats; "bfloat16" if it is 1.2 times as fast, else "float32".

    Measured once per process and hidden size, in some tens of milliseconds. The random state is left as it was.
    """
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        lstm = nn.LSTM(hidden, hidden, batch_first=True).to(device)
        inputs = torch.randn(_BATCH, _TIME, hidden, device=device)
        seconds = {precision: _fastest_pass(lstm, inputs, precision) for precision in ("float32", "bfloat16")}
    return "bfloat16" if seconds["float32"] > _WORTH_IT * seconds["bfloat16"] else "float32"


def _fastest_pass(lstm: nn.LSTM, inputs: torch.Tensor, precision: str) -> float:
    fastest = float("inf")
    for _ in range(_REPEATS + 1):  # the first pass builds kernels; taking the least leaves it out
        start = time.perf_counter()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = lstm(inputs)[0]
        outputs.float().sum().backward()
        if inputs.is_cuda:
            torch.cuda.synchronize(inputs.device)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
