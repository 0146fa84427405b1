"""How to draw the initial weights of a recurrent cell. PyTorch has drawn its own already; a rule here may replace them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

Initialise: TypeAlias = Callable[[nn.RNNBase], None]
"""Replaces the weights of a new cell in place."""


def pytorch_default() -> Initialise:
    """Keep PyTorch's weights: uniform within 1 / sqrt(number of hidden units) of 0."""
    return lambda _cell: None


def xavier_orthogonal() -> Initialise:
    """Draw input weights by Xavier (Glorot and Bengio 2010) and recurrent ones orthogonal (Saxe et al. 2014); zero the biases.

    Each gate is drawn on its own. PyTorch stacks the gates of a cell into one tall matrix, which has neither property.
    """
    return _draw_xavier_orthogonal


@torch.no_grad()
def _draw_xavier_orthogonal(cell: nn.RNNBase) -> None:
    for name, parameter in cell.named_parameters():
        if name.startswith("bias"):
            parameter.zero_()
            continue
        draw = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
        for gate in torch.split(parameter, cell.hidden_size):
            draw(gate)
