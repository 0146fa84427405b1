"""Optimisers, on the embedding rows that a batch touches and on whole tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, RMSprop

from tuner.space.build import builders_of
from tuner.training.optimisers import MakeOptimiser, TouchedRows, adam, adamw, sgd

OPTIMISERS = builders_of("optimiser")
TABLE = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
BATCHES = [[0, 2], [2, 3], [0, 5], [2], [0, 2, 3]]


def gradient_of(step: int, rows: list[int]) -> torch.Tensor:
    return torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(10 + step))


def step_touched(make_optimiser: MakeOptimiser, batches: list[list[int]] = BATCHES) -> torch.Tensor:
    """Return the table after all batches."""
    table = nn.Parameter(TABLE.clone())
    touched = TouchedRows(table)
    optimiser = make_optimiser([touched.parameter], 0.05)
    for step, rows in enumerate(batches):
        leaf = touched.gather(torch.tensor(rows))
        leaf.grad = gradient_of(step, rows)
        touched.load(leaf, torch.tensor(rows), optimiser)
        optimiser.step()
        touched.store(torch.tensor(rows), optimiser)
    return table.detach()


def test_adam_steps_touched_rows_as_torchs_sparse_adam_does() -> None:
    table = nn.Parameter(TABLE.clone())
    optimiser = torch.optim.SparseAdam([table], lr=0.05)
    for step, rows in enumerate(BATCHES):
        table.grad = torch.sparse_coo_tensor(
            torch.tensor([rows]), gradient_of(step, rows), (6, 3), check_invariants=True
        )
        optimiser.step()
    torch.testing.assert_close(step_touched(adam(weight_decay=0.0)), table.detach(), atol=1e-6, rtol=1e-5)


def test_sgd_keeps_a_momentum_of_its_own_for_every_row() -> None:
    table, momentum = TABLE.clone(), torch.zeros(6, 3)
    for step, rows in enumerate(BATCHES):
        momentum[rows] = 0.9 * momentum[rows] + gradient_of(step, rows)
        table[rows] -= 0.05 * momentum[rows]
    torch.testing.assert_close(step_touched(sgd(momentum=0.9, weight_decay=0.0)), table, atol=1e-6, rtol=1e-5)


def test_weight_decay_acts_on_touched_rows_once_a_touch() -> None:
    table, momenta = TABLE.clone(), torch.zeros(2, 6, 3)
    for step, rows in enumerate(BATCHES, start=1):
        gradient = gradient_of(step - 1, rows)
        table[rows] *= 1 - 0.05 * 0.1
        momenta[0, rows] = 0.9 * momenta[0, rows] + 0.1 * gradient
        momenta[1, rows] = 0.999 * momenta[1, rows] + 0.001 * gradient**2
        mean, square = momenta[0, rows] / (1 - 0.9**step), momenta[1, rows] / (1 - 0.999**step)
        table[rows] -= 0.05 * mean / (square.sqrt() + 1e-8)
    torch.testing.assert_close(step_touched(adamw(weight_decay=0.1)), table, atol=1e-6, rtol=1e-5)


OWN = {
    "adam": {"weight_decay": 0.1},
    "adamw": {"weight_decay": 0.1},
    "nadam": {"weight_decay": 0.1},
    "rmsprop": {"momentum": 0.5, "weight_decay": 0.1},
    "sgd": {"momentum": 0.5, "weight_decay": 0.1},
}
TORCHS = {"adam": Adam, "adamw": AdamW, "nadam": NAdam, "rmsprop": RMSprop, "sgd": SGD}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_rows_that_no_batch_touches_do_not_change(name: str) -> None:
    stepped = step_touched(OPTIMISERS[name](**OWN[name]))
    assert torch.equal(stepped[[1, 4]], TABLE[[1, 4]])
    assert not torch.isclose(stepped[[0, 2, 3, 5]], TABLE[[0, 2, 3, 5]]).any()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_steps_rows_that_every_batch_touches_as_torchs_own_steps_a_tensor(name: str) -> None:
    every_row = [list(range(6))] * 8
    dense = nn.Parameter(TABLE.clone())
    reference = TORCHS[name]([dense], lr=0.05, **OWN[name])
    for number, rows in enumerate(every_row):
        dense.grad = gradient_of(number, rows)
        reference.step()
    stepped = step_touched(OPTIMISERS[name](**OWN[name]), every_row)
    torch.testing.assert_close(stepped, dense.detach(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_keeps_its_steps_out_of_the_gradients(name: str) -> None:
    parameter = nn.Parameter(torch.ones(3))
    optimiser = OPTIMISERS[name](**OWN[name])([parameter], 0.1)
    (parameter**2).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    assert parameter.is_leaf
    assert (parameter < 1).all()


def test_an_optimiser_steps_without_importing_torchs_compiler() -> None:
    program = """
import sys, torch
from tuner.space.build import builders_of
for make in builders_of("optimiser").values():
    options = dict.fromkeys(make.__annotations__.keys() - {"return"}, 0.1)
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = make(**options)([parameter], 0.1)
    parameter.grad = torch.ones(3)
    optimiser.step()
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
