"""Optimisers, and how they step an embedding of which a batch touches few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

MakeOptimiser = Callable[[Iterable[nn.Parameter], float], Optimizer]


def adam() -> MakeOptimiser:
    """Adam (Kingma and Ba 2015)."""
    return lambda parameters, learning_rate: Adam(parameters, lr=learning_rate, fused=True)


def adamw(*, weight_decay: float) -> MakeOptimiser:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    return lambda parameters, learning_rate: AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)


def sgd(*, momentum: float) -> MakeOptimiser:
    """Stochastic gradient descent with momentum."""
    return lambda parameters, learning_rate: SGD(parameters, lr=learning_rate, momentum=momentum, fused=True)


OPTIMISERS: dict[str, Callable[..., MakeOptimiser]] = {"adam": adam, "adamw": adamw, "sgd": sgd}


class TouchedRows:
    """The rows of an embedding that one batch uses, as a small parameter that any element-wise optimiser can step.

    A batch of text touches some hundreds of the embedding's rows; stepping all of them costs more than the LSTM does. So
    the touched rows and their share of the optimiser's state (momenta) are gathered before a step and put back after it.
    Rows not touched keep still: no decay, no momentum, as in PyTorch's SparseAdam.
    """

    def __init__(self, table: Tensor) -> None:
        self._table = table
        self.parameter = nn.Parameter(torch.empty(0, table.shape[1], device=table.device))
        self._state: dict[str, Tensor] = {}

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows (touched,) of the table as a leaf (touched, embedding) that collects gradients."""
        return self._table.detach().index_select(0, rows).requires_grad_()

    def load(self, leaf: Tensor, rows: Tensor, optimiser: Optimizer) -> None:
        """Give the parameter the leaf's values and gradient, and the optimiser those rows' state."""
        self.parameter.data = leaf.detach()
        self.parameter.grad = leaf.grad
        state = optimiser.state[self.parameter]
        for name, full in self._state.items():
            state[name] = full.index_select(0, rows)

    def store(self, rows: Tensor, optimiser: Optimizer) -> None:
        """Put the stepped rows and their state back."""
        self._table.data.index_copy_(0, rows, self.parameter.data)
        for name, value in optimiser.state[self.parameter].items():
            if isinstance(value, Tensor) and value.shape == self.parameter.shape:
                if name not in self._state:
                    self._state[name] = torch.zeros_like(self._table.data)
                self._state[name].index_copy_(0, rows, value)
