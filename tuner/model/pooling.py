"""Pooling: turn the recurrent outputs over time into one vector per row.

Every pooling reads real steps only, so padding never changes a row's vector. A pooling takes `features` and `directions` of
the last layer; its own parameters are keywords.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pooling(nn.Module):
    """Base of the poolings, which turn outputs (batch, time, feature) into vectors (batch, `features`)."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__()
        self.features = features
        self.directions = directions


class LastStep(Pooling):
    """The last step of each direction. The backward direction ends at the row's first step."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        rows = torch.arange(len(lengths), device=outputs.device)
        last = outputs[rows, lengths - 1]
        if self.directions == 1:
            return last
        # The backward direction reads from the row's end, so its last step is at time 0.
        hidden = outputs.shape[2] // self.directions
        return torch.cat([last[:, :hidden], outputs[:, 0, hidden:]], dim=1)


class Mean(Pooling):
    """The mean over real steps."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        # Padded outputs are finite, so a factor of 0 removes them. It is much faster than filling on a CPU.
        real = is_real(outputs, lengths).to(outputs.dtype).unsqueeze(-1)
        return (outputs * real).sum(1) / lengths.unsqueeze(-1)


class Maximum(Pooling):
    """The maximum of each feature over real steps."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        padding = torch.where(is_real(outputs, lengths), 0.0, -torch.inf).unsqueeze(-1)
        values = outputs + padding
        if not torch.is_grad_enabled():
            return values.amax(1)
        if values.device.type != "cpu":
            return values.max(1).values
        highest: Tensor = _Highest.apply(values)  # type: ignore[no-untyped-call]
        return highest


class _Highest(torch.autograd.Function):
    """The maximum over time. As with PyTorch's `max`, the first of equal values gets the gradient.

    On a CPU `max` reads one number after another, and took a twentieth of a small model's step. These parts are vectorised.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        highest = values.detach().amax(1, keepdim=True)
        is_highest = np.equal(values.detach().numpy(), highest.numpy())
        is_highest[:, 1:] &= ~np.logical_or.accumulate(is_highest, axis=1)[:, :-1]
        ctx.is_highest = is_highest
        return highest.squeeze(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        with np.errstate(invalid="ignore"):  # an infinite gradient; the loop then stops the training
            return torch.from_numpy(np.multiply(ctx.is_highest, gradient.unsqueeze(1).numpy(), dtype=np.float32))


class Concatenation(Pooling):
    """Last step, mean and maximum, concatenated (Howard and Ruder 2018)."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__(features, directions)
        self.parts = nn.ModuleList(part(features, directions) for part in (LastStep, Mean, Maximum))
        self.features = features * len(self.parts)

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, 3 × feature)."""
        return torch.cat([part(outputs, lengths) for part in self.parts], dim=1)


class Attention(Pooling):
    """Additive attention over real steps (Bahdanau et al. 2015), with a single query (Yang et al. 2016)."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__(features, directions)
        self.project = nn.Linear(features, features // directions)
        self.query = nn.Linear(features // directions, 1, bias=False)

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        energy = self.query(torch.tanh(self.project(outputs))).squeeze(-1)  # (batch, time)
        weights = energy.masked_fill(~is_real(outputs, lengths), -torch.inf).softmax(1)
        # Padded outputs are finite, so a weight of exactly 0 removes them.
        return torch.bmm(weights.unsqueeze(1), outputs).squeeze(1)


class SelfAttention(Pooling):
    """Multi-head self-attention between real steps, added to its inputs, then the mean (Vaswani et al. 2017).

    The number of heads need not divide the number of features: each head has its share of them, rounded up.
    """

    def __init__(self, features: int, directions: int, *, heads: int = 1) -> None:
        super().__init__(features, directions)
        self.heads = heads
        size = heads * -(-features // heads)
        # No biases: a bias on the keys shifts all energies of a query equally, and softmax removes that.
        self.project = nn.Linear(features, 3 * size, bias=False)
        self.combine = nn.Linear(size, features)
        self.mean = Mean(features, directions)

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        batch, time, _ = outputs.shape
        projected = self.project(outputs).view(batch, time, 3, self.heads, -1)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)  # each (batch, head, time, feature of the head)
        real = is_real(outputs, lengths)[:, None, None]  # every query sees every real step
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=real)
        attended = attended.transpose(1, 2).flatten(2)  # (batch, time, features of all heads)
        # Take the mean before the last linear map. It gives the same numbers, with one product a row instead of one a step.
        pooled: Tensor = self.combine(self.mean(attended, lengths)) + self.mean(outputs, lengths)
        return pooled


def is_real(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Return the mask of real steps, shape (batch, time)."""
    return torch.arange(outputs.shape[1], device=outputs.device) < lengths.unsqueeze(1)
