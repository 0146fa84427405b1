"""The operations of a step that the benchmark states are those that PyTorch counts."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.operations import StepShape, operations
from builders.classifiers import make_classifier


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # switching oneDNN off and on also touches Intel's GPUs
@pytest.mark.parametrize(("layers", "directions"), [(1, 2), (2, 1)])
def test_the_operations_of_a_step_are_those_that_pytorch_counts(layers: int, directions: int) -> None:
    rows, time, features, hidden, labels = 4, 20, 6, 8, 3
    model = make_classifier(
        channels=features, labels=labels, hidden=hidden, layers=layers, directions=directions, pooling="max"
    )
    inputs = torch.randn(rows, time, features, requires_grad=True)
    # Without oneDNN's one kernel for a layer, PyTorch multiplies matrices, which it counts.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:  # type: ignore[no-untyped-call]
        model(inputs, torch.full((rows,), time)).sum().backward()
    shape = StepShape(
        rows=rows,
        positions=rows * time,
        features=features,
        hidden=hidden,
        layers=layers,
        directions=directions,
        labels=labels,
    )
    # The first states are zero and have no gradient, so that two products of each direction are never made.
    assert counter.get_total_flops() == pytest.approx(operations(shape), rel=0.05)
