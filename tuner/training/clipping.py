"""Gradient clipping: changes gradients in place, and returns their total norm before the change."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tuner.training.state import State


class Clipped(NamedTuple):
    """The total norm before clipping, and whether clipping changed a gradient; None for a rule that never does.

    Both are tensors without dimensions, so that a GPU does not have to wait for them.
    """

    norm: Tensor
    is_changed: Tensor | None


Clip = Callable[[Sequence[nn.Parameter]], Clipped]


def no_clipping() -> Clip:
    """Leave gradients as they are."""
    return lambda parameters: Clipped(_total_norm(_gradients(parameters)), None)


def clip_by_norm(*, threshold: float) -> Clip:
    """Scale all gradients down together if their total norm exceeds the threshold (Pascanu et al. 2013)."""

    def clip(parameters: Sequence[nn.Parameter]) -> Clipped:
        gradients = _gradients(parameters)
        norm = _total_norm(gradients)
        _scale_down(gradients, threshold, norm)
        return Clipped(norm, norm > threshold)

    return clip


def clip_by_value(*, threshold: float) -> Clip:
    """Cut every gradient entry to [-threshold, threshold]."""

    def clip(parameters: Sequence[nn.Parameter]) -> Clipped:
        gradients = _gradients(parameters)
        norm, largest = _total_norm(gradients), _total_norm(gradients, order=math.inf)
        nn.utils.clip_grad_value_(parameters, threshold)
        return Clipped(norm, largest > threshold)

    return clip


def clip_by_quantile(*, quantile: float, history: int) -> Clip:
    """Scale gradients down to a quantile of the total norms of the last `history` steps (Seetharaman et al. 2020, AutoClip).

    The current step counts. Norms that are not finite do not, and a threshold of 0 clips nothing. On a GPU, reading the norm
    waits for the step.
    """
    return _ByQuantile(quantile, history)


class _ByQuantile:
    """Remembers the last norms, ordered by time and by size."""

    def __init__(self, quantile: float, history: int) -> None:
        self._quantile, self._history = quantile, history
        self._by_time: deque[float] = deque()
        self._by_size: list[float] = []

    def __call__(self, parameters: Sequence[nn.Parameter]) -> Clipped:
        gradients = _gradients(parameters)
        norm = _total_norm(gradients)
        value, is_changed = float(norm), False
        if math.isfinite(value):
            self._add(value)
            threshold = self._threshold()
            is_changed = 0 < threshold < value
            if is_changed:
                _scale_down(gradients, threshold, norm)
        return Clipped(norm, torch.tensor(is_changed))

    def state(self) -> State:
        return {"norms": list(self._by_time)}

    def restore(self, state: State) -> None:
        self._by_time = deque(state["norms"])
        self._by_size = sorted(self._by_time)

    def _add(self, norm: float) -> None:
        if len(self._by_time) == self._history:
            del self._by_size[bisect.bisect_left(self._by_size, self._by_time.popleft())]
        self._by_time.append(norm)
        bisect.insort(self._by_size, norm)

    def _threshold(self) -> float:
        """Return the quantile of the norms, interpolated linearly between the two nearest, as numpy does."""
        position = self._quantile * (len(self._by_size) - 1)
        below = math.floor(position)
        above = min(below + 1, len(self._by_size) - 1)
        return self._by_size[below] + (position - below) * (self._by_size[above] - self._by_size[below])


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _total_norm(gradients: list[Tensor], *, order: float = 2.0) -> Tensor:
    """Return the norm of all gradients together. `nn.utils.get_total_norm` sorts them by device first, which takes longer."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, order)), order)
    return norm


def _scale_down(gradients: list[Tensor], threshold: float, norm: Tensor) -> None:
    """Scale gradients down as `nn.utils.clip_grad_norm_` does. On a CPU, leave them alone if they are small enough."""
    factor = threshold / (norm + 1e-6)
    if norm.device.type != "cpu" or not factor >= 1:
        torch._foreach_mul_(gradients, factor.clamp(max=1.0))
