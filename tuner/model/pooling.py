"""Pooling: the LSTM's outputs over time, and the mask of real steps, to one vector per row.

Every pooling reads real steps only, so a row's vector is the same at any padding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class LastStep(nn.Module):
    """The last real step of the forward direction and, where there are two, the backward direction's own last step."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__()
        self.directions = directions
        self.hidden = features // directions

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """outputs (batch, time, feature), lengths (batch,) -> (batch, feature)."""
        rows = torch.arange(len(lengths), device=outputs.device)
        last = outputs[rows, lengths - 1]
        if self.directions == 1:
            return last
        # The backward direction reads from the row's end, so its last step stands at time 0.
        return torch.cat([last[:, : self.hidden], outputs[:, 0, self.hidden :]], dim=1)


class Mean(nn.Module):
    """The mean over real steps."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """outputs (batch, time, feature), lengths (batch,) -> (batch, feature)."""
        real = is_real(outputs, lengths).unsqueeze(-1)
        return outputs.masked_fill(~real, 0.0).sum(1) / lengths.unsqueeze(-1)


class Maximum(nn.Module):
    """The largest value of each feature over real steps."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """outputs (batch, time, feature), lengths (batch,) -> (batch, feature)."""
        real = is_real(outputs, lengths).unsqueeze(-1)
        return outputs.masked_fill(~real, -torch.inf).max(1).values


class Attention(nn.Module):
    """Additive attention over real steps (Bahdanau et al. 2015, in the one-query form of Yang et al. 2016)."""

    def __init__(self, features: int, directions: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, features // directions)
        self.query = nn.Linear(features // directions, 1, bias=False)

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """outputs (batch, time, feature), lengths (batch,) -> (batch, feature)."""
        energy = self.query(torch.tanh(self.project(outputs))).squeeze(-1)  # (batch, time)
        weights = energy.masked_fill(~is_real(outputs, lengths), -torch.inf).softmax(1)
        # Padded outputs are finite, so a weight of exactly 0 removes them.
        return torch.bmm(weights.unsqueeze(1), outputs).squeeze(1)


def is_real(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Mask of real steps, shape (batch, time)."""
    return torch.arange(outputs.shape[1], device=outputs.device) < lengths.unsqueeze(1)


POOLINGS: dict[str, Callable[[int, int], nn.Module]] = {
    "last": LastStep,
    "mean": Mean,
    "max": Maximum,
    "attention": Attention,
}
