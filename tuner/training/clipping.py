"""Gradient clipping: changes gradients in place, and returns their total norm before the change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tuner.training.device import CPU
from tuner.training.state import State

_TINY = 1e-6  # added to a norm before it divides, as in `nn.utils.clip_grad_norm_`


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
        _scale_down(gradients, threshold / (norm + _TINY))
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

    The current step counts. Norms that are not finite do not, and a threshold of 0 clips nothing.
    """
    return _ByQuantile(quantile, history)


class _ByQuantile:
    """Remembers the last norms in a tensor beside the gradients, so that a GPU does not have to wait for them."""

    def __init__(self, quantile: float, history: int) -> None:
        self._quantile, self._history = quantile, history
        self._steps = 0
        self._restored: list[float] = []
        self._norms: Tensor | None = None  # (history,), NaN where there is none; the oldest is replaced first

    def __call__(self, parameters: Sequence[nn.Parameter]) -> Clipped:
        gradients = _gradients(parameters)
        norm = _total_norm(gradients)
        is_finite = norm.isfinite()
        if self._norms is None:
            self._norms = norm.new_full((self._history,), math.nan)
            for number, restored in enumerate(self._restored):  # one by one, as a copy would wait for a GPU
                self._norms[number] = restored
        self._norms[self._steps % self._history] = torch.where(is_finite, norm, math.nan)
        self._steps += 1
        threshold = torch.nanquantile(self._norms[: self._steps], self._quantile)
        is_changed = is_finite & (threshold > 0) & (norm > threshold)
        _scale_down(gradients, torch.where(is_changed, threshold / (norm + _TINY), 1.0))
        return Clipped(norm, is_changed)

    def state(self) -> State:
        if self._norms is None:
            return {"norms": self._restored}
        by_time = self._norms.roll(-(self._steps % self._history)).tolist()
        return {"norms": [norm for norm in by_time if not math.isnan(norm)]}

    def restore(self, state: State) -> None:
        self._restored, self._norms = state["norms"], None
        self._steps = len(self._restored)


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _total_norm(gradients: list[Tensor], *, order: float = 2.0) -> Tensor:
    """Return the norm of all gradients together. `nn.utils.get_total_norm` sorts them by device first, which takes longer."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, order)), order)
    return norm


def _scale_down(gradients: list[Tensor], factor: Tensor) -> None:
    """Scale gradients down as `nn.utils.clip_grad_norm_` does. On a CPU, leave them alone if the factor is 1 or more."""
    if factor.device.type != CPU or not factor >= 1:
        torch._foreach_mul_(gradients, factor.clamp(max=1.0))
