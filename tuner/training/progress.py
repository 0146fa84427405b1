"""Figures about the training steps between two measurements. They are collected as tensors and read once at the end."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuner.model.classifier import SequenceClassifier
from tuner.training.clipping import Clipped
from tuner.training.device import CPU
from tuner.training.transfer import LateNumber, read

# A tenth of the smallest norm of a model that learns: at least 0.01, and 0.001 when the model knew its rows by heart.
TINY_GRADIENT = 1e-4
STEPS_BETWEEN_RATIOS = 20  # at every step, these norms would cost up to 2 % of the time


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Figures about some training steps.

    `loss` and `gradient_norm` are means over the steps, `seconds` is wall time. `non_finite_step` is the first step at which
    either was not finite, counted from the start of the training. The other figures cover the finite steps, NaN if there is none;
    `tuner.trial.measurement.Measurement` explains them.
    """

    steps: int = 0
    loss: float = math.nan
    gradient_norm: float = math.nan
    seconds: float = 0.0
    non_finite_step: int | None = None
    clip_rate: float = math.nan
    gradient_norm_least: float = math.nan
    gradient_norm_most: float = math.nan
    tiny_gradient_share: float = math.nan
    gradient_ratio: float = math.nan
    loss_spread: float = math.nan


class StepLog:
    """Collects figures about steps as they are taken, without waiting for a GPU."""

    def __init__(self, *, steps_before: int) -> None:
        self._steps_before = steps_before
        self._start = time.perf_counter()
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._changed: list[Tensor] = []
        self._ratios: list[Tensor] = []
        self._late: LateNumber | None = None  # the sum of a step's loss and norm

    @property
    def is_ratio_due(self) -> bool:
        """Whether the current step should note its `gradient_ratio`."""
        return (self._steps_before + len(self._losses)) % STEPS_BETWEEN_RATIOS == 0

    def note_ratio(self, ratio: Tensor) -> None:
        """Note the `gradient_ratio` of the current step."""
        self._ratios.append(ratio)

    def note(self, loss: Tensor, clipped: Clipped) -> None:
        """Note the loss and the clipping of a step that was taken."""
        self._losses.append(loss)
        self._norms.append(clipped.norm.detach())
        if clipped.is_changed is not None:
            self._changed.append(clipped.is_changed)

    def is_finite(self) -> bool:
        """Return whether the steps so far are known to be finite. On a GPU the answer lags behind, and nobody waits for it."""
        if not self._losses:
            return True
        last = self._losses[-1] + self._norms[-1]
        if last.device.type == CPU:
            return math.isfinite(last)
        if self._late is None and len(self._losses) % STEPS_BETWEEN_RATIOS == 0:
            self._late = LateNumber(last)
        number = None if self._late is None else self._late.read()
        if number is None:
            return True
        self._late = None
        return math.isfinite(number)

    def progress(self) -> Progress:
        """Summarise the noted steps."""
        if not self._losses:
            return Progress()
        losses, norms, changed, ratios = _read(self._losses, self._norms, self._changed, self._ratios)
        is_finite = np.isfinite(losses) & np.isfinite(norms)
        broken = np.flatnonzero(~is_finite)
        finite_losses, finite_norms = losses[is_finite], norms[is_finite]
        level = abs(_mean(finite_losses))
        return Progress(
            steps=len(losses),
            loss=float(losses.mean()),
            gradient_norm=float(norms.mean()),
            seconds=time.perf_counter() - self._start,
            non_finite_step=self._steps_before + int(broken[0]) + 1 if len(broken) else None,
            clip_rate=_mean(changed),
            gradient_norm_least=float(finite_norms.min()) if len(finite_norms) else math.nan,
            gradient_norm_most=float(finite_norms.max()) if len(finite_norms) else math.nan,
            tiny_gradient_share=_mean(finite_norms < TINY_GRADIENT),
            gradient_ratio=_mean(ratios),
            loss_spread=float(finite_losses.std()) / level if level > 0 else math.nan,
        )


def gradient_ratio(model: SequenceClassifier) -> Tensor:
    """Return the gradient norm of the first recurrent layer's weights, divided by the norm of the head's weights."""
    head = model.head.weight.grad
    assert head is not None
    norms = [
        p.grad.norm() for name, p in model.layers[0].named_parameters() if "weight_" in name and p.grad is not None
    ]
    ratio: Tensor = torch.stack(norms).norm() / head.norm().clamp_min(torch.finfo(head.dtype).tiny)
    return ratio


def _mean(values: NDArray[Any]) -> float:
    """Return the mean of the finite values, NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _read(*series: list[Tensor]) -> list[NDArray[np.float64]]:
    """Return the numbers of each series, of which the first has some. Waits for a GPU once."""
    numbers = read([torch.stack(each) if each else series[0][0].new_empty(0) for each in series])
    return [each.astype(np.float64) for each in numbers]
