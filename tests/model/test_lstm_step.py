"""Reading both ways in one operation equals reading with PyTorch's own LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tuner.model import lstm_step
from tuner.model.lstm_step import can_step
from tuner.model.recurrent import RecurrentLayer, reverse_within_length

LENGTHS = [6, 4, 1, 6, 3]


def make_layer(directions: int, *, weight_dropout: float = 0.0) -> RecurrentLayer:
    torch.manual_seed(1)
    return RecurrentLayer(
        lambda: nn.LSTM(3, 8, batch_first=True),
        directions=directions,
        weight_dropout=weight_dropout,
        layer_norm=False,
        seed=3,
    ).train()


def read(layer: RecurrentLayer, *, precision: str, is_fast: bool) -> tuple[Tensor, list[Tensor]]:
    """Return the outputs, and the gradients of the inputs and the weights."""
    torch.manual_seed(2)
    inputs = torch.randn(len(LENGTHS), max(LENGTHS), 3, requires_grad=True)
    reversal = reverse_within_length(torch.tensor(LENGTHS), max(LENGTHS))
    if not is_fast:
        layer._read_fast = lambda *_: None  # type: ignore[method-assign]
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        outputs = layer(inputs, reversal).float()
    wanted = [inputs, *layer.parameters()]
    return outputs, list(torch.autograd.grad(outputs, wanted, torch.randn(outputs.shape)))


@pytest.mark.parametrize("weight_dropout", [0.0, 0.5])
@pytest.mark.parametrize("directions", [1, 2])
def test_outputs_and_gradients_are_those_of_pytorchs_lstm_to_the_last_bit(
    directions: int, weight_dropout: float
) -> None:
    if not can_step(torch.ones(1), torch.float32):
        pytest.skip("this PyTorch has no oneDNN")
    fast, plain = (
        read(make_layer(directions, weight_dropout=weight_dropout), precision="float32", is_fast=is_fast)
        for is_fast in (True, False)
    )
    assert torch.equal(fast[0], plain[0])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(fast[1], plain[1], strict=True))


@pytest.mark.parametrize("directions", [1, 2])
def test_in_bfloat16_outputs_are_equal_and_gradients_differ_by_rounding(directions: int) -> None:
    if not can_step(torch.ones(1), torch.bfloat16):
        pytest.skip("this processor has no bfloat16 in oneDNN")
    fast, plain = (read(make_layer(directions), precision="bfloat16", is_fast=is_fast) for is_fast in (True, False))
    assert torch.equal(fast[0], plain[0])
    for ours, theirs in zip(fast[1], plain[1], strict=True):
        assert ours.dtype == torch.float32
        assert float((ours - theirs).norm() / theirs.norm()) < 2**-8


def raise_as_with_other_arguments(*_: Any) -> None:
    raise RuntimeError("mkldnn_rnn_layer() expected at most 9 arguments")


def return_zeros(inputs: Tensor, *_: Any) -> tuple[Tensor, ...]:
    return (inputs.new_zeros(*inputs.shape[:2], 5),) * 4


@pytest.mark.parametrize("kernel", [None, raise_as_with_other_arguments, return_zeros])
def test_a_pytorch_whose_kernels_are_missing_or_changed_trains_with_its_own_lstm(
    kernel: Callable[..., Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lstm_step, "_forward_kernel", kernel)
    lstm_step._try_kernels.cache_clear()
    try:
        here, plain = (read(make_layer(2), precision="float32", is_fast=is_fast) for is_fast in (True, False))
    finally:
        lstm_step._try_kernels.cache_clear()
    assert torch.equal(here[0], plain[0])


def test_trying_the_kernels_draws_no_random_numbers() -> None:
    before = torch.random.get_rng_state()
    lstm_step._try_kernels.cache_clear()
    lstm_step._try_kernels()
    assert torch.equal(torch.random.get_rng_state(), before)
