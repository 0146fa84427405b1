"""Pooling: turn the recurrent outputs over time into one vector per row.

Every pooling reads real steps only, so padding never changes a row's vector. A pooling takes `features` and `directions` of
the last layer; its own parameters are keywords.
"""

from __future__ import annotations

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
        real = is_real(outputs, lengths).unsqueeze(-1)
        return outputs.masked_fill(~real, 0.0).sum(1) / lengths.unsqueeze(-1)


class Maximum(Pooling):
    """The maximum of each feature over real steps."""

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs (batch, time, feature) with lengths (batch,) into (batch, feature)."""
        real = is_real(outputs, lengths).unsqueeze(-1)
        return outputs.masked_fill(~real, -torch.inf).max(1).values


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
