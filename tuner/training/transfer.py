"""Arrays on their way to the device of a model, and numbers on their way back. A GPU works on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tuner.training.device import CPU


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device. A GPU reads it from pinned memory, so that this process does not wait for the copy."""
    tensor = torch.from_numpy(values)
    return tensor if device.type == CPU else tensor.pin_memory().to(device, non_blocking=True)


def read(tensors: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """Return tensors of one device as float32 arrays of their shapes. Waits for a GPU once for all of them."""
    if not tensors:
        return []
    values = torch.cat([tensor.detach().float().flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])[:-1]
    return [part.reshape(each.shape) for part, each in zip(np.split(values, ends), tensors, strict=True)]


def are_finite(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return whether every number of the parameters is finite, as a tensor without dimensions on their device."""
    return torch.stack([parameter.detach().isfinite().all() for parameter in parameters]).all()


class LateNumber:
    """A number that a GPU computes, read once it is there. Nobody waits for it."""

    def __init__(self, number: Tensor) -> None:
        self._number = number.detach().to(CPU, non_blocking=True)  # into pinned memory
        self._event = torch.get_device_module(number.device).Event()
        self._event.record()

    def read(self) -> float | None:
        """Return the number, None if it is not there yet."""
        return float(self._number) if self._event.query() else None
