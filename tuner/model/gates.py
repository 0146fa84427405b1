"""What goes on inside the recurrent layers: gates that are shut or open for good, and units that do not move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuner.model.classifier import SequenceClassifier
from tuner.model.pooling import is_real

# A sigmoid this near to its end has a slope below 0.02, less than a twelfth of its steepest: hardly a gradient passes.
SATURATED = 0.02
DEAD = 1e-3
"""Standard deviation of a unit's output, of at most 1 in size, below which it is taken for one that does not move."""

_SIGMOID_GATES = {"LSTM": (0, 1, 3), "GRU": (0, 1)}  # of those in PyTorch's order; what is left is a tanh


@dataclass(frozen=True)
class Activity:
    """`gate_saturation`, the share of gates within 0.02 of 0 or 1; `dead_units`, the share of units that do not move."""

    gate_saturation: float
    dead_units: float


def activity(model: SequenceClassifier, steps: Tensor, lengths: Tensor) -> Activity:
    """Run a model on some rows, as `SequenceClassifier.forward` has them, and measure over their real steps.

    Gates are those of every layer and direction, all alike; units those of the last layer, before any normalisation. The
    model is in evaluation afterwards.
    """
    model.eval()
    with torch.inference_mode(), _reads(model) as reads:
        model(steps, lengths)
        shares, spreads = [], []
        for cell, inputs, outputs in reads:
            real = is_real(outputs, lengths)  # also where a row is read reversed: its padding stays at the end
            gates = sigmoid_gates(cell, inputs, outputs)[real]
            shares.append(((gates - 0.5).abs() > 0.5 - SATURATED).float().mean())
            spreads.append(outputs[real].std(0, correction=0))
        units = torch.cat(spreads[-len(spreads) // len(model.layers) :])  # as many cells as a layer has directions
        found = torch.stack([torch.stack(shares).mean(), (units < DEAD).float().mean()]).tolist()
    return Activity(gate_saturation=found[0], dead_units=found[1])


def sigmoid_gates(cell: nn.RNNBase, inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return the sigmoid gates of an LSTM (input, forget, output) or a GRU (reset, update) that has read `inputs`.

    inputs (batch, time, feature), its outputs (batch, time, hidden) -> (batch, time, gates × hidden). A gate sees the
    step's input and the output of the step before, so that no step has to wait for another.
    """
    kept = _SIGMOID_GATES[cell.mode]
    before = F.pad(outputs, (0, 0, 1, 0))[:, :-1]
    levels = _of_gates(cell, "ih", inputs, kept) + _of_gates(cell, "hh", before, kept)
    return levels.sigmoid()


def _of_gates(cell: nn.RNNBase, part: str, values: Tensor, kept: tuple[int, ...]) -> Tensor:
    weights = torch.split(cell.get_parameter(f"weight_{part}_l0"), cell.hidden_size)
    biases = torch.split(cell.get_parameter(f"bias_{part}_l0"), cell.hidden_size)
    return F.linear(values, torch.cat([weights[gate] for gate in kept]), torch.cat([biases[gate] for gate in kept]))


@contextmanager
def _reads(model: SequenceClassifier) -> Iterator[list[tuple[nn.RNNBase, Tensor, Tensor]]]:
    """Collect what each cell reads and gives, in their order, in float32."""
    reads: list[tuple[nn.RNNBase, Tensor, Tensor]] = []

    def note(cell: nn.Module, arguments: tuple[Tensor, ...], result: tuple[Tensor, ...]) -> None:
        assert isinstance(cell, nn.RNNBase)
        reads.append((cell, arguments[0].float(), result[0].float()))

    handles = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, nn.RNNBase)]
    try:
        yield reads
    finally:
        for handle in handles:
            handle.remove()
