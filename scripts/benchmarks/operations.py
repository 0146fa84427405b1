"""Floating-point operations of a training step, and what this processor reaches on matrix products of the same shapes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

_GATES = 4
_PASSES = 3  # forward, gradients of the inputs, gradients of the weights
_SECONDS = 0.05  # for one timing of a product
_TIMINGS = 5


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """The sizes of an LSTM classifier's step. `positions` are the rows times the steps of a padded batch."""

    rows: int
    positions: float
    features: int
    hidden: int
    layers: int
    directions: int
    labels: int


def products(shape: StepShape) -> dict[tuple[int, int, int], float]:
    """Return how often a step multiplies matrices (m, k) and (k, n), by (m, k, n), counting all three passes.

    The inputs of a layer meet their weights all at once, and the states meet theirs at each step of the rows.
    """
    counted: dict[tuple[int, int, int], float] = {}
    gates = _GATES * shape.hidden
    for layer in range(shape.layers):
        features = shape.directions * shape.hidden if layer else shape.features
        at_once = (round(shape.positions), features, gates)
        by_step = (shape.rows, shape.hidden, gates)
        counted[at_once] = counted.get(at_once, 0.0) + _PASSES * shape.directions
        counted[by_step] = counted.get(by_step, 0.0) + _PASSES * shape.directions * shape.positions / shape.rows
    head = (shape.rows, shape.directions * shape.hidden, shape.labels)
    counted[head] = counted.get(head, 0.0) + _PASSES
    return counted


def operations(shape: StepShape) -> float:
    """Return the floating-point operations of a step in matrix products, a multiplication and an addition each counted."""
    return sum(2.0 * m * k * n * times for (m, k, n), times in products(shape).items())


def speed(shape: tuple[int, int, int], dtype: torch.dtype) -> float:
    """Return the best of several timings of a product (m, k) × (k, n), in operations per second."""
    m, k, n = shape
    left, right, out = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
    torch.mm(left, right, out=out)
    repeats = max(1, round(_SECONDS * 1e11 / (2 * m * k * n)))
    best = 0.0
    for _ in range(_TIMINGS):
        start = time.perf_counter()
        for _ in range(repeats):
            torch.mm(left, right, out=out)
        best = max(best, 2 * m * k * n * repeats / (time.perf_counter() - start))
    return best


def least_seconds(shape: StepShape, dtype: torch.dtype) -> float:
    """Return how long the products of a step take alone, each at the best speed measured for its shape."""
    return sum(2 * m * k * n * times / speed((m, k, n), dtype) for (m, k, n), times in products(shape).items())
