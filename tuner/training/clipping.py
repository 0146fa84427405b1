"""Gradient clipping: gradients in place, and the total norm as it was before."""

from __future__ import annotations

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


def _total_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


CLIPPINGS: dict[str, Callable[..., Clip]] = {"none": no_clipping, "norm": clip_by_norm, "value": clip_by_value}
