"""The recurrent cells and layers. A layer has one or two directions and reads real steps only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tuner.model.dropout import Dropout
from tuner.model.initialise import Initialise
from tuner.model.lstm_step import WEIGHTS, can_step, read_both_ways


def lstm(inputs: int, hidden: int, initialise: Initialise, *, forget_bias: float = 0.0) -> nn.RNNBase:
    """Build a long short-term memory (Hochreiter and Schmidhuber 1997).

    `forget_bias` is added to the initial bias of the forget gate, so that the cell forgets less at first (Jozefowicz et al.
    2015).
    """
    cell = nn.LSTM(inputs, hidden, batch_first=True)
    initialise(cell)
    with torch.no_grad():
        # PyTorch adds up two biases; change only one. Its gates are in the order input, forget, cell, output.
        cell.get_parameter("bias_ih_l0")[hidden : 2 * hidden] += forget_bias
    return cell


def gru(inputs: int, hidden: int, initialise: Initialise) -> nn.RNNBase:
    """Build a gated recurrent unit (Cho et al. 2014)."""
    cell = nn.GRU(inputs, hidden, batch_first=True)
    initialise(cell)
    return cell


class RecurrentLayer(nn.Module):
    """One recurrent layer that reads rows forwards and, with two directions, also backwards.

    The forward direction starts at the left, where there is no padding. The backward direction reads each row reversed
    within its own length. This replaces packed sequences, whose kernel is about half as fast on a CPU.

    `weight_dropout` zeroes recurrent weights, the same ones for all rows and steps of a batch (DropConnect, as in Merity et
    al. 2018).
    """

    def __init__(
        self,
        make_cell: Callable[[], nn.RNNBase],
        *,
        directions: int,
        weight_dropout: float,
        layer_norm: bool,
        seed: int | Sequence[int],
    ) -> None:
        super().__init__()
        cells = [make_cell() for _ in range(directions)]
        self.directions = nn.ModuleList(cells)
        self.weight_dropout = Dropout(weight_dropout, seed=seed)
        self.features = directions * cells[0].hidden_size
        self.norm = nn.LayerNorm(self.features) if layer_norm else None

    def forward(self, inputs: Tensor, reversal: Tensor) -> Tensor:
        """Read inputs (batch, time, feature), with the positions of `reverse_within_length`; return (batch, time, `features`)."""
        outputs = self._read_fast(inputs, reversal)
        if outputs is None:
            forward, *backward = self.directions.children()
            outputs = self._read(forward, inputs)
            for cell in backward:
                read_backward = self._read(cell, permute(inputs, reversal))
                outputs = torch.cat([outputs, permute(read_backward, reversal)], dim=2)
        return outputs if self.norm is None else self.norm(outputs)

    def _read_fast(self, inputs: Tensor, reversal: Tensor) -> Tensor | None:
        """Read as `_read` does, with less work around the kernels. Return None unless an LSTM is trained on a CPU."""
        kind = inputs.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        cells = list(self.directions.children())
        if not (torch.is_grad_enabled() and isinstance(cells[0], nn.LSTM) and can_step(inputs, dtype)):
            return None
        weights = []
        for cell in cells:
            of_inputs, recurrent, *biases = (getattr(cell, name) for name in WEIGHTS)
            weights += [of_inputs, self.weight_dropout(recurrent), *biases]
        return read_both_ways(inputs, reversal, weights, dtype=dtype)

    def _read(self, cell: nn.Module, inputs: Tensor) -> Tensor:
        if not self.weight_dropout.is_active:
            plain: Tensor = cell(inputs)[0]
            return plain
        weights = {"weight_hh_l0": self.weight_dropout(cell.get_parameter("weight_hh_l0"))}
        dropped: Tensor = torch.func.functional_call(cell, weights, (inputs,))[0]
        return dropped


def reverse_within_length(lengths: Tensor, time: int) -> Tensor:
    """Return flat positions (batch × time,) that reverse each row within its length and leave the padding in place."""
    step = torch.arange(time, device=lengths.device)
    reversed_step = torch.where(step < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - step, step)
    row_start = torch.arange(len(lengths), device=lengths.device).unsqueeze(1) * time
    return (row_start + reversed_step).flatten()


class _Permute(torch.autograd.Function):
    """Reorders (batch, time) positions by a permutation that is its own inverse.

    Autograd's own backward pass of indexing adds rows one by one into a buffer of zeros. Here the backward pass is the
    same indexing again, which is faster.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, permutation: Tensor) -> Tensor:
        ctx.save_for_backward(permutation)
        return _reorder(inputs, permutation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (permutation,) = ctx.saved_tensors
        return _reorder(gradients[0], permutation), None


def permute(values: Tensor, permutation: Tensor) -> Tensor:
    """Reorder the (batch × time) positions of values (batch, time, feature) as `reverse_within_length` says."""
    permuted: Tensor = _Permute.apply(values, permutation)  # type: ignore[no-untyped-call]
    return permuted


def _reorder(values: Tensor, permutation: Tensor) -> Tensor:
    return values.flatten(0, 1).index_select(0, permutation).view_as(values)
