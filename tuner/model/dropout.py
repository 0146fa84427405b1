"""Dropout whose masks come from a generator of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014) with a seed of its own, and cheap on a CPU.

    PyTorch draws one Bernoulli number per entry on a CPU, which took a seventh of a small model's step. Here each entry
    takes 16 random bits, so the rate is kept to within 1/65,536. On a GPU PyTorch's own kernel runs.

    Modules of one model have seeds like (7, 1) and (7, 2), a number of the model's own and one above 0 of theirs: 7 and 8
    would be the masks of another module in the next model.

    `is_variational`: of values (batch, time, feature), a row loses the same features at every step (Gal and Ghahramani
    2016).
    """

    def __init__(self, rate: float, *, seed: int | Sequence[int], is_variational: bool = False) -> None:
        super().__init__()
        self._levels = min(round(rate * 65_536), 65_535)  # of 65,536 equally likely values, those that drop an entry
        self._rate = self._levels / 65_536
        self._is_variational = is_variational
        self._generator = np.random.default_rng(seed)

    @property
    def is_active(self) -> bool:
        """Whether values are changed at all: only in training, and not at a rate of 0."""
        return self.training and self._levels > 0

    def forward(self, values: Tensor) -> Tensor:
        """values of any shape, (batch, time, feature) if variational -> the same shape; the identity in evaluation."""
        if not self.is_active:
            return values
        shape = (values.shape[0], 1, values.shape[2]) if self._is_variational else values.shape
        if values.device.type != "cpu":
            if not self._is_variational:
                return nn.functional.dropout(values, self._rate)
            return values * nn.functional.dropout(values.new_ones(shape), self._rate)
        kept = torch.from_numpy(self._is_kept(shape))
        return values * (kept * (1 / (1 - self._rate)))

    def state(self) -> dict[str, Any]:
        """Return where the stream of masks stands; on a GPU that is PyTorch's own, and not in here."""
        return {"generator": self._generator.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on in the stream of masks where another stood."""
        self._generator.bit_generator.state = state["generator"]

    def _is_kept(self, shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        bits = np.frombuffer(self._generator.bytes(2 * int(np.prod(shape))), np.uint16)
        return (bits >= self._levels).reshape(shape)
