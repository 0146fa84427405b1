"""Both directions of an LSTM layer as one operation of autograd, on the kernels of oneDNN.

PyTorch's `nn.LSTM` calls the same kernels, so the outputs are equal to the last bit. What is left out is work around them. In
bfloat16, gradients stay float32 from the kernel to the weights, where autograd would round them on their way.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_LSTM = 2  # the number of this kind of cell in PyTorch's kernels
WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""The weights of one direction, in the order of the kernels."""
_SAVED = 9  # tensors per direction that the backward pass needs
# Private to PyTorch, so another release may lack them.
_forward_kernel: Any = getattr(torch.ops.aten, "mkldnn_rnn_layer", None)
_backward_kernel: Any = getattr(torch.ops.aten, "mkldnn_rnn_layer_backward", None)


def can_step(inputs: Tensor, dtype: torch.dtype) -> bool:
    """Return whether oneDNN trains an LSTM on these inputs in this number format here."""
    has_kernels = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled  # type: ignore[no-untyped-call]
    if inputs.device.type != "cpu" or not has_kernels or not inputs.numel():
        return False
    return _try_kernels() and (dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


@functools.cache
def _try_kernels() -> bool:
    """Return whether the kernels of this PyTorch read as `nn.LSTM` does, so that another release trains correctly too."""
    inputs = torch.linspace(-1, 1, 24).view(2, 3, 4)
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        cell = nn.LSTM(4, 5, batch_first=True)
        weights = [cell.get_parameter(name) for name in WEIGHTS]
        expected = cell(inputs)[0]
        try:
            outputs = read_both_ways(inputs, torch.arange(6), weights, dtype=torch.float32)
            gradients = torch.autograd.grad(outputs.square().sum(), weights)
        except (AttributeError, TypeError, ValueError, RuntimeError):
            return False
        wanted = torch.autograd.grad(expected.square().sum(), weights)
    pairs = zip((outputs, *gradients), (expected, *wanted), strict=True)
    return all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in pairs)


def read_both_ways(inputs: Tensor, reversal: Tensor, weights: Sequence[Tensor], *, dtype: torch.dtype) -> Tensor:
    """Read inputs (batch, time, feature) and return outputs (batch, time, directions × hidden) of that number format.

    `reversal` is that of `tuner.model.recurrent.reverse_within_length`. Each direction has its `weights` in the order of WEIGHTS.
    """
    outputs: Tensor = _ReadBothWays.apply(inputs, reversal, dtype, *weights)  # type: ignore[no-untyped-call]
    return outputs


class _ReadBothWays(torch.autograd.Function):
    """The kernels read (time, batch, feature). One copy both turns the inputs that way and reverses the rows."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, reversal: Tensor, dtype: torch.dtype, *weights: Tensor) -> Tensor:
        batch, time, features = inputs.shape
        hidden = weights[1].shape[1]
        directions = len(weights) // len(WEIGHTS)
        values = inputs.detach().to(dtype)
        to_time, to_rows = _orders(reversal, batch, time)
        start = values.new_zeros(1, batch, hidden)
        outputs = values.new_empty(batch, time, directions * hidden)
        saved = []
        for number in range(directions):
            own = [weight.detach().to(dtype) for weight in weights[len(WEIGHTS) * number : len(WEIGHTS) * (number + 1)]]
            if number:
                read = values.reshape(-1, features).index_select(0, to_time).view(time, batch, features)
            else:
                read = values.transpose(0, 1).contiguous()
            with torch.enable_grad():  # without it, the kernel keeps nothing for the backward pass
                output, state, memory, workspace = _forward_kernel(
                    read, *own, start, start, False, [], _LSTM, hidden, 1, True, False, False, True
                )
            if number:
                outputs[..., hidden:] = output.view(-1, hidden).index_select(0, to_rows).view(batch, time, hidden)
            else:
                outputs[..., :hidden] = output.transpose(0, 1)
            saved += [read, *own, output, state, memory, workspace]
        ctx.save_for_backward(to_time, to_rows, start, *saved)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        to_time, to_rows, start, *saved = ctx.saved_tensors
        batch, time, _ = gradient.shape
        hidden = start.shape[2]
        of_weights: list[Tensor] = []
        of_inputs: Tensor | None = None
        for number in range(len(saved) // _SAVED):
            read, *own, output, state, memory, workspace = saved[_SAVED * number : _SAVED * (number + 1)]
            part = gradient[..., number * hidden : (number + 1) * hidden].float()
            if number:
                part = part.reshape(-1, hidden).index_select(0, to_time).view(time, batch, hidden)
            else:
                part = part.transpose(0, 1).contiguous()
            of_read, *of_own = _backward_kernel(
                *(read, *own, start, start, output, state, memory, part, None, None),
                *(False, _LSTM, hidden, 1, True, True, False, [], False, workspace),
            )
            of_weights += of_own[: len(WEIGHTS)]
            if of_inputs is None:
                of_inputs = of_read.transpose(0, 1)
            else:
                of_inputs = of_read.flatten(0, 1).index_select(0, to_rows).view(batch, time, -1).add_(of_inputs)
        return (of_inputs if ctx.needs_input_grad[0] else None, None, None, *of_weights)


def _orders(reversal: Tensor, batch: int, time: int) -> tuple[Tensor, Tensor]:
    """Return positions that turn reversed rows into steps, (time × batch,) of (batch × time), and those that turn them back."""
    by_row = reversal.view(batch, time)
    rows = torch.arange(batch, device=reversal.device).unsqueeze(1)
    return by_row.t().reshape(-1), ((by_row - rows * time) * batch + rows).flatten()
