"""Averaged weights, compared with a plain average of every step's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tuner.training.averaging import STEPS_BETWEEN_UPDATES, WeightAverage, ema, no_averaging, swa

STEPS = 400


def walk(model: nn.Module, average: WeightAverage, steps: int = STEPS) -> torch.Tensor:
    """Move the weights at random, step by step, and return them all, (steps, weights)."""
    generator = torch.Generator().manual_seed(0)
    weights = []
    for number in range(1, steps + 1):
        for parameter in model.parameters():
            parameter.data += 0.01 * torch.randn(parameter.shape, generator=generator) + 0.002
        average.observe(number, number / STEPS)
        weights.append(flat(model))
    return torch.stack(weights)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


def held(model: nn.Module, average: WeightAverage) -> torch.Tensor:
    with average.held():
        return flat(model)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(20, 10)


@pytest.mark.parametrize("decay", [0.9, 0.99, 0.998])
def test_the_exponential_average_is_near_that_of_every_step(decay: float) -> None:
    """The tolerance: the plain average leads or lags by half of the ten steps that an update skips."""
    model = make_model()
    average = WeightAverage(model, ema(decay=decay))
    weights = walk(model, average)
    plain = weights[0]
    for number, now in enumerate(weights[1:], start=2):
        keep = min(decay, (1 + number) / (10 + number))
        plain = keep * plain + (1 - keep) * now
    in_ten_steps = (weights[10:] - weights[:-10]).square().mean().sqrt()
    apart = (held(model, average) - plain).square().mean().sqrt()
    assert apart < in_ten_steps / 2


def test_the_exponential_average_is_exactly_that_of_every_tenth_steps_weights() -> None:
    model = make_model()
    average = WeightAverage(model, ema(decay=0.99))
    weights = walk(model, average)
    expected = weights[STEPS_BETWEEN_UPDATES - 1]
    for number in range(2 * STEPS_BETWEEN_UPDATES, STEPS + 1, STEPS_BETWEEN_UPDATES):
        keep = min(0.99, (1 + number) / (10 + number)) ** STEPS_BETWEEN_UPDATES
        expected = keep * expected + (1 - keep) * weights[number - 1]
    torch.testing.assert_close(held(model, average), expected, atol=1e-6, rtol=1e-5)


def test_the_plain_average_is_that_of_every_tenth_steps_weights_after_its_start() -> None:
    model = make_model()
    average = WeightAverage(model, swa(start=0.5))
    weights = walk(model, average)
    expected = weights[STEPS // 2 - 1 :: STEPS_BETWEEN_UPDATES].mean(0)
    torch.testing.assert_close(held(model, average), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("averaging", [ema(decay=0.9), swa(start=0.5)], ids=["ema", "swa"])
def test_before_averaging_begins_a_model_holds_its_own_weights(averaging: object) -> None:
    model = make_model()
    average = WeightAverage(model, averaging)  # type: ignore[arg-type]
    weights = walk(model, average, steps=9)
    assert torch.equal(held(model, average), weights[-1])


def test_a_model_has_its_own_weights_back_afterwards_even_after_an_error() -> None:
    model = make_model()
    average = WeightAverage(model, ema(decay=0.9))
    own = walk(model, average)[-1]

    def fail() -> None:
        with average.held():
            assert not torch.equal(flat(model), own)
            raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        fail()
    assert torch.equal(flat(model), own)


def test_holding_the_average_changes_neither_it_nor_what_follows() -> None:
    model, again = make_model(), make_model()
    average, other = (WeightAverage(each, ema(decay=0.9)) for each in (model, again))
    walk(model, average, steps=50)
    walk(again, other, steps=50)
    first, second = held(model, average), held(model, average)
    assert torch.equal(first, second)
    walk(model, average, steps=50)
    walk(again, other, steps=50)
    assert torch.equal(held(model, average), held(again, other))


def test_weights_that_are_not_trained_are_not_averaged() -> None:
    model = make_model()
    model.weight.requires_grad_(False)
    average = WeightAverage(model, ema(decay=0.9))
    walk(model, average)
    own = model.weight.clone()
    with average.held():
        assert torch.equal(model.weight, own)


def test_a_recurrent_layer_gives_the_same_outputs_with_the_average_as_a_layer_made_of_it() -> None:
    torch.manual_seed(0)
    model, inputs = nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)
    average = WeightAverage(model, swa(start=0.0))
    walk(model, average)
    with average.held():
        state = {name: value.clone() for name, value in model.state_dict().items()}
        outputs = model(inputs)[0]
    fresh = nn.LSTM(3, 4, batch_first=True)
    fresh.load_state_dict(state)
    torch.testing.assert_close(outputs, fresh(inputs)[0])


def test_no_averaging_is_none() -> None:
    assert no_averaging() is None


@pytest.mark.parametrize("steps", [1, 10, 1000])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_an_update_gives_a_share_between_none_and_all(decay: float, steps: int) -> None:
    assert 0 < ema(decay=decay)(steps, 3, 0.5, 10) <= 1
    assert np.isclose(swa(start=0.0)(steps, 3, 0.5, 10), 0.25)
