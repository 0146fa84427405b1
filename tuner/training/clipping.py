"""Gradient clipping: gradients in place, and the total norm as it was before."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Callable, Sequence

from torch import Tensor, nn

Clip = Callable[[Sequence[nn.Parameter]], Tensor]


def no_clipping() -> Clip:
    """Leave gradients as they are."""
    return _total_norm


def clip_by_norm(*, threshold: float) -> Clip:
    """Scale all gradients down together where their total norm exceeds the threshold (Pascanu et al. 2013)."""

    def clip(parameters: Sequence[nn.Parameter]) -> Tensor:
        return nn.utils.clip_grad_norm_(parameters, threshold)

    return clip


def clip_by_value(*, threshold: float) -> Clip:
    """Cut every gradient entry to [-threshold, threshold]."""

    def clip(parameters: Sequence[nn.Parameter]) -> Tensor:
        norm = _total_norm(parameters)
        nn.utils.clip_grad_value_(parameters, threshold)
        return norm

    return clip


def clip_by_quantile(*, quantile: float, history: int) -> Clip:
    """Scale gradients down to a quantile of the total norms of the last `history` steps (Seetharaman et al. 2020, AutoClip).

    The present step is one of them. Norms that are not finite are not remembered, and a threshold of 0 clips nothing. On a
    GPU reading the norm waits for the step.
    """
    norms = _Norms(history)

    def clip(parameters: Sequence[nn.Parameter]) -> Tensor:
        norm = _total_norm(parameters)
        value = float(norm)
        if math.isfinite(value):
            norms.add(value)
            threshold = norms.quantile(quantile)
            if 0 < threshold < value:
                nn.utils.clip_grads_with_norm_(parameters, threshold, norm)
        return norm

    return clip


CLIPPINGS: dict[str, Callable[..., Clip]] = {
    "none": no_clipping,
    "norm": clip_by_norm,
    "value": clip_by_value,
    "quantile": clip_by_quantile,
}


class _Norms:
    """The last norms, in order of time and of size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_time: deque[float] = deque()
        self._by_size: list[float] = []

    def add(self, norm: float) -> None:
        if len(self._by_time) == self._most:
            del self._by_size[bisect.bisect_left(self._by_size, self._by_time.popleft())]
        self._by_time.append(norm)
        bisect.insort(self._by_size, norm)

    def quantile(self, share: float) -> float:
        """Interpolated in a straight line between the two nearest, as numpy does."""
        position = share * (len(self._by_size) - 1)
        below = math.floor(position)
        above = min(below + 1, len(self._by_size) - 1)
        return self._by_size[below] + (position - below) * (self._by_size[above] - self._by_size[below])


def _total_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
