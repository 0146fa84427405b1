"""Optimisers, and how they step an embedding when a batch touches only a few of its rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RMSprop

from tuner.training.state import State, fitting

MakeOptimiser = Callable[[Iterable[nn.Parameter], float], Optimizer]


def _uncompiled(kind: type[Optimizer]) -> type[Any]:
    """Return the optimiser without the decorators that serve torch.compile.

    The decorators import torch's compiler. That took a second at the start of a worker, and we never use the compiler. The
    undecorated methods do the same, except that one decorator also turns autograd off for `step`.
    """
    methods = {
        "add_param_group": inspect.unwrap(kind.add_param_group),
        "step": torch.no_grad()(inspect.unwrap(kind.step)),
    }
    return type(kind.__name__, (kind,), methods)


_ADAM, _ADAMW, _NADAM, _RMSPROP, _SGD = (_uncompiled(kind) for kind in (Adam, AdamW, NAdam, RMSprop, SGD))


def adam(*, weight_decay: float) -> MakeOptimiser:
    """Adam (Kingma and Ba 2015); the decay is added to the gradient, as a penalty on the squared weights."""
    return _maker(_ADAM, weight_decay=weight_decay, fused=True)


def adamw(*, weight_decay: float) -> MakeOptimiser:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    return _maker(_ADAMW, weight_decay=weight_decay, fused=True)


def nadam(*, weight_decay: float) -> MakeOptimiser:
    """Adam with Nesterov momentum (Dozat 2016)."""
    return _maker(_NADAM, weight_decay=weight_decay)


def rmsprop(*, momentum: float, weight_decay: float) -> MakeOptimiser:
    """RMSprop: divides gradients by a running mean of their size (Tieleman and Hinton 2012)."""
    return _maker(_RMSPROP, momentum=momentum, weight_decay=weight_decay)


def sgd(*, momentum: float, weight_decay: float) -> MakeOptimiser:
    """Stochastic gradient descent with momentum."""
    return _maker(_SGD, momentum=momentum, weight_decay=weight_decay, fused=True)


def _maker(kind: type[Any], **options: Any) -> MakeOptimiser:
    def make(parameters: Iterable[nn.Parameter], learning_rate: float) -> Optimizer:
        optimiser: Optimizer = kind(parameters, lr=learning_rate, **options)
        return optimiser

    return make


class TouchedRows:
    """The embedding rows that one batch uses, as a small parameter that any element-wise optimiser can step.

    A batch of text touches a few hundred of the embedding's rows. Stepping all rows costs more than the LSTM, so the touched
    rows and their part of the optimiser's state (momenta) are gathered before a step and written back after it. Other rows do
    not change: no decay, no momentum, as in PyTorch's SparseAdam. State that is not a tensor of the rows' shape, such as Adam's
    step count, is shared by all rows.
    """

    def __init__(self, table: Tensor) -> None:
        self._table = table
        self.parameter = nn.Parameter(torch.empty(0, table.shape[1], device=table.device))
        self._state: dict[str, Tensor] = {}
        self._positions = np.empty(len(table), np.int64)  # of the tokens of a step, by token number

    def join(self, steps: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        """Return the token numbers of all batches, sorted, and each batch as positions among them."""
        numbers = np.sort(np.concatenate([batch.ravel() for batch in steps]))
        numbers = numbers[np.flatnonzero(np.diff(numbers, prepend=-1))]
        self._positions[numbers] = np.arange(len(numbers))
        return numbers, [self._positions[batch] for batch in steps]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows (touched,) of the table as a leaf (touched, embedding) that collects gradients."""
        return self._table.detach().index_select(0, rows).requires_grad_()

    def load(self, leaf: Tensor, rows: Tensor, optimiser: Optimizer) -> None:
        """Give the parameter the leaf's values and gradient, and give the optimiser the rows' state."""
        self.parameter.data = leaf.detach()
        self.parameter.grad = leaf.grad
        state = optimiser.state[self.parameter]
        for name, full in self._state.items():
            state[name] = full.index_select(0, rows)

    def store(self, rows: Tensor, optimiser: Optimizer) -> None:
        """Write the stepped rows and their state back to the table."""
        self._table.data.index_copy_(0, rows, self.parameter.data)
        for name, value in optimiser.state[self.parameter].items():
            if isinstance(value, Tensor) and value.shape == self.parameter.shape:
                if name not in self._state:
                    self._state[name] = torch.zeros_like(self._table.data)
                self._state[name].index_copy_(0, rows, value)

    def whole(self, state: State) -> State:
        """Return the optimiser's state for the parameter, with the state of the whole table instead of a few rows."""
        return state | self._state

    def restore(self, state: State) -> State:
        """Take over the table's part of what `whole` returned; return the rest. Raises ValueError if a shape differs."""
        self._state = {name: fitting(value, self._table) for name, value in state.items() if value.ndim}
        return {name: value for name, value in state.items() if not value.ndim}


def optimiser_state(optimiser: Optimizer, touched: TouchedRows | None) -> State:
    """Return an optimiser's state by the number of the parameter; for touched rows, the state of the whole table.

    PyTorch's own `Optimizer.state_dict` imports its compiler, and knows only the touched rows.
    """
    kept = {}
    for number, parameter in enumerate(_parameters_of(optimiser)):
        entries = dict(optimiser.state.get(parameter, {}))
        if touched is not None and parameter is touched.parameter:
            entries = touched.whole(entries)
        kept[str(number)] = entries
    return kept


def restore_optimiser(optimiser: Optimizer, touched: TouchedRows | None, state: State) -> None:
    """Take over what `optimiser_state` returned. Raises KeyError or ValueError if it belongs to other parameters."""
    for number, parameter in enumerate(_parameters_of(optimiser)):
        entries = state[str(number)]
        if touched is not None and parameter is touched.parameter:
            entries = touched.restore(entries)
        if entries:
            optimiser.state[parameter] = {name: _placed(value, parameter, optimiser) for name, value in entries.items()}


def _placed(value: Tensor, parameter: nn.Parameter, optimiser: Optimizer) -> Tensor:
    """Copy an entry to the parameter's device; a step count goes to the CPU unless the optimiser is fused."""
    if value.ndim:
        return fitting(value, parameter)
    return value.to(parameter.device if optimiser.defaults.get("fused") else "cpu", copy=True)


def _parameters_of(optimiser: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
