"""How the first weights of a recurrent layer are drawn. PyTorch has drawn its own already; an entry replaces them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

Initialise: TypeAlias = Callable[[nn.RNNBase], None]


def keep(_cell: nn.RNNBase) -> None:
    """Leave PyTorch's: uniform within one over the square root of the number of hidden units."""


@torch.no_grad()
def xavier_orthogonal(cell: nn.RNNBase) -> None:
    """Xavier's uniform from inputs (Glorot and Bengio 2010), orthogonal between steps (Saxe et al. 2014), biases zero.

    Each gate is drawn by itself: stacked as PyTorch has them they would be one tall matrix, with neither property.
    """
    for name, parameter in cell.named_parameters():
        if name.startswith("bias"):
            parameter.zero_()
            continue
        draw = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
        for gate in torch.split(parameter, cell.hidden_size):
            draw(gate)


INITIALISATIONS: dict[str, Initialise] = {"pytorch": keep, "xavier_orthogonal": xavier_orthogonal}
