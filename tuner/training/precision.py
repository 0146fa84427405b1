"""The number format of the recurrent layers if the space does not set one."""

from __future__ import annotations

import functools
import math

import torch

from tuner.training.device import has_bfloat16, is_gpu

# The fewest hidden units for which a step in bfloat16 is clearly faster. The table has float32's time over bfloat16's, for one
# layer forward and backward, 64 rows of 16 steps, on one thread of a processor with AVX-512 bfloat16:
#   hidden   16    32    48    64    96    128   192   256   512
#   LSTM     1.1   1.3   1.6   1.7   1.6   2.3   1.7   1.8   1.1
#   GRU      0.5   0.6   0.6   0.6   0.8   1.5   1.6   1.5   1.5
# On a GPU small layers wait for kernel launches in either format. The GPU bound is cautious and not measured.
_LEAST_ON_CPU = {"lstm": 48, "gru": 192}
_LEAST_ON_GPU = 256


def choose_precision(hidden: int, device: str, *, cell: str = "lstm") -> str:
    """Return "bfloat16" if the device has instructions for it and the layers are wide enough to gain, else "float32".

    This is a fixed rule, not a timing. A timing would vary on a shared machine. Then the same space, seed and data would give
    different scores.
    """
    least = _LEAST_ON_GPU if is_gpu(device) else _LEAST_ON_CPU.get(cell, math.inf)
    return "bfloat16" if hidden >= least and _has_instructions(device) else "float32"


@functools.cache
def _has_instructions(device: str) -> bool:
    if is_gpu(device):
        return has_bfloat16(device)
    # torch 2.9 has no public function for these.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
