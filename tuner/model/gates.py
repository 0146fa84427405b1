"""Activity inside the recurrent layers: saturated gates, and units whose output does not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuner.model.classifier import SequenceClassifier
from tuner.model.pooling import is_real

# A sigmoid this close to 0 or 1 has a slope below 0.02, less than a twelfth of its maximum, so hardly any gradient passes.
SATURATED = 0.02
DEAD = 1e-3
"""A unit counts as dead if its output, between -1 and 1, has a standard deviation below this."""

_SIGMOID_GATES = {"LSTM": (0, 1, 3), "GRU": (0, 1)}  # positions in PyTorch's order; the other gate is a tanh


@dataclass(frozen=True)
class Activity:
    """`gate_saturation` is the share of gates within 0.02 of 0 or 1; `dead_units` is the share of units that do not change."""

    gate_saturation: float
    dead_units: float


def activity(model: SequenceClassifier, steps: Tensor, lengths: Tensor) -> Activity:
    """Run a model on some rows, given as to `SequenceClassifier.forward`, and measure over their real steps.

    Gates of all layers and directions count equally. Units are counted in the last layer only, before any normalisation.
    The model is left in evaluation mode.
    """
    model.eval()
    with torch.inference_mode(), _reads(model) as reads:
        model(steps, lengths)
        shares, spreads = [], []
        for cell, inputs, outputs in reads:
            # Also for a reversed row, whose padding stays at the end. To pick the real steps, a GPU would have to be waited for.
            real = is_real(outputs, lengths).unsqueeze(-1)  # (batch, time, 1)
            gates = sigmoid_gates(cell, inputs, outputs)
            is_saturated = ((gates - 0.5).abs() > 0.5 - SATURATED) & real
            shares.append(is_saturated.sum() / (real.sum() * gates.shape[2]))
            mean = (outputs * real).sum((0, 1)) / real.sum()
            spreads.append((((outputs - mean) * real).square().sum((0, 1)) / real.sum()).sqrt())
        units = torch.cat(spreads[-len(spreads) // len(model.layers) :])  # a layer has one cell for each direction
        saturated, dead = torch.stack([torch.stack(shares).mean(), (units < DEAD).float().mean()]).cpu().tolist()
    return Activity(gate_saturation=saturated, dead_units=dead)


def sigmoid_gates(cell: nn.RNNBase, inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return the sigmoid gates of an LSTM (input, forget, output) or GRU (reset, update) after it has read `inputs`.

    inputs (batch, time, feature), its outputs (batch, time, hidden) -> (batch, time, gates × hidden). A gate depends on
    the step's input and the previous step's output, both known, so all steps are computed at once.
    """
    positions = _SIGMOID_GATES[cell.mode]
    previous = F.pad(outputs, (0, 0, 1, 0))[:, :-1]
    levels = _gate_levels(cell, "ih", inputs, positions) + _gate_levels(cell, "hh", previous, positions)
    return levels.sigmoid()


def _gate_levels(cell: nn.RNNBase, part: str, values: Tensor, positions: tuple[int, ...]) -> Tensor:
    weights = torch.split(cell.get_parameter(f"weight_{part}_l0"), cell.hidden_size)
    biases = torch.split(cell.get_parameter(f"bias_{part}_l0"), cell.hidden_size)
    return F.linear(
        values, torch.cat([weights[gate] for gate in positions]), torch.cat([biases[gate] for gate in positions])
    )


@contextmanager
def _reads(model: SequenceClassifier) -> Iterator[list[tuple[nn.RNNBase, Tensor, Tensor]]]:
    """Collect each cell with its inputs and outputs, in float32, in the order in which the cells run."""
    reads: list[tuple[nn.RNNBase, Tensor, Tensor]] = []

    def record(cell: nn.Module, arguments: tuple[Tensor, ...], result: tuple[Tensor, ...]) -> None:
        assert isinstance(cell, nn.RNNBase)
        reads.append((cell, arguments[0].float(), result[0].float()))

    handles = [module.register_forward_hook(record) for module in model.modules() if isinstance(module, nn.RNNBase)]
    try:
        yield reads
    finally:
        for handle in handles:
            handle.remove()
