"""Activity inside the recurrent layers, compared with PyTorch's own cells step by step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from builders import classifiers
from tuner.model.classifier import SequenceClassifier
from tuner.model.gates import activity, sigmoid_gates

ROWS, TIME, FEATURES, HIDDEN = 5, 7, 3, 4
LENGTHS = torch.tensor([1, 7, 3, 5, 2])


def make_classifier(**chosen: Any) -> SequenceClassifier:
    torch.manual_seed(0)
    return classifiers.make_classifier(**({"channels": FEATURES, "labels": 2, "hidden": HIDDEN} | chosen))


def run_by_gates(cell: nn.RNNBase, inputs: Tensor, gates: Tensor) -> Tensor:
    """Return the outputs of a cell, computed from its sigmoid gates and the gated values."""
    hidden = cell_state = torch.zeros(len(inputs), HIDDEN)
    outputs = []
    for step in range(inputs.shape[1]):
        kept = gates[:, step].split(HIDDEN, dim=1)
        part = slice(2 * HIDDEN, 3 * HIDDEN)  # of what is no sigmoid
        from_input = inputs[:, step] @ cell.weight_ih_l0[part].T + cell.bias_ih_l0[part]
        from_before = hidden @ cell.weight_hh_l0[part].T + cell.bias_hh_l0[part]
        if isinstance(cell, nn.LSTM):
            let_in, kept_on, let_out = kept
            cell_state = kept_on * cell_state + let_in * (from_input + from_before).tanh()
            hidden = let_out * cell_state.tanh()
        else:
            reset, update = kept
            hidden = (1 - update) * (from_input + reset * from_before).tanh() + update * hidden
        outputs.append(hidden)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_the_gates_reproduce_the_outputs_of_the_layer(kind: Any) -> None:
    torch.manual_seed(0)
    cell, inputs = kind(FEATURES, HIDDEN, batch_first=True), 3 * torch.randn(ROWS, TIME, FEATURES)
    outputs = cell(inputs)[0]
    torch.testing.assert_close(run_by_gates(cell, inputs, sigmoid_gates(cell, inputs, outputs)), outputs)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_padding_changes_no_activity(cell: str, precision: str) -> None:
    model = make_classifier(cell=cell, layers=2, layer_norm=True, precision=precision)
    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.mul_(6)
    steps = torch.randn(ROWS, TIME, FEATURES)
    wider = torch.cat([steps, 100 * torch.ones(ROWS, 3, FEATURES)], dim=1)
    wider[0, 1:] = -50.0
    measured = activity(model, steps, LENGTHS)
    assert 0 < measured.gate_saturation < 1
    assert activity(model, wider, LENGTHS) == measured


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_huge_weights_saturate_the_gates(cell: str) -> None:
    model, steps = make_classifier(cell=cell, layers=2), torch.randn(ROWS, TIME, FEATURES)
    at_first = activity(model, steps, LENGTHS)
    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.mul_(1000)
    assert at_first.gate_saturation == 0
    assert activity(model, steps, LENGTHS).gate_saturation > 0.9


@pytest.mark.parametrize("directions", [1, 2])
def test_units_whose_outputs_never_change_are_dead(directions: int) -> None:
    model = make_classifier(directions=directions, layers=2, layer_norm=True)
    with torch.no_grad():
        for name, parameter in model.layers[-1].directions[-1].named_parameters():
            shut = parameter.view(4, HIDDEN, -1)[3, 0]  # the first unit's output gate
            shut.fill_(-100 if name == "bias_ih_l0" else 0)
    measured = activity(model, torch.randn(ROWS, TIME, FEATURES), LENGTHS)
    assert measured.dead_units == 1 / (HIDDEN * directions)


def test_a_model_is_left_as_it_was_and_computes_the_same() -> None:
    model, steps = make_classifier(), torch.randn(ROWS, TIME, FEATURES)
    before = model(steps, LENGTHS)
    activity(model, steps, LENGTHS)
    assert torch.equal(model(steps, LENGTHS), before)
    assert not any(module._forward_hooks for module in model.modules())
