"""Gradient clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tuner.training.clipping import clip_by_norm, clip_by_quantile, clip_by_value, no_clipping


def parameters_with_gradients(*gradients: list[float]) -> list[nn.Parameter]:
    parameters = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(len(gradient)))
        parameter.grad = torch.tensor(gradient)
        parameters.append(parameter)
    return parameters


def gradients_of(parameters: list[nn.Parameter]) -> list[float]:
    return torch.cat([parameter.grad for parameter in parameters if parameter.grad is not None]).tolist()


@pytest.mark.parametrize(
    "clip",
    [
        no_clipping(),
        clip_by_norm(threshold=1.0),
        clip_by_value(threshold=1.0),
        clip_by_quantile(quantile=0.5, history=3),
    ],
)
def test_clipping_returns_the_norm_from_before(clip: Any) -> None:
    assert float(clip(parameters_with_gradients([3.0], [0.0, -4.0])).norm) == pytest.approx(5.0)


def test_no_clipping_leaves_gradients_alone() -> None:
    parameters = parameters_with_gradients([30.0], [0.0, -4e8])
    no_clipping()(parameters)
    assert gradients_of(parameters) == [30.0, 0.0, -4e8]


def test_clipping_by_norm_scales_all_gradients_together() -> None:
    parameters = parameters_with_gradients([3.0], [0.0, -4.0])
    clip_by_norm(threshold=0.5)(parameters)
    assert gradients_of(parameters) == pytest.approx([0.3, 0.0, -0.4], rel=1e-4)


def test_clipping_by_value_cuts_entries_one_by_one() -> None:
    parameters = parameters_with_gradients([3.0], [0.1, -4.0])
    clip_by_value(threshold=0.5)(parameters)
    assert gradients_of(parameters) == pytest.approx([0.5, 0.1, -0.5])


@pytest.mark.parametrize(
    ("clip", "gradient"),
    [
        (clip_by_norm(threshold=4.0), [3.0, -4.0]),
        (clip_by_norm(threshold=6.0), [3.0, -4.0]),
        (clip_by_value(threshold=3.5), [3.0, -4.0]),
        (clip_by_value(threshold=4.5), [3.0, -4.0]),
        (clip_by_quantile(quantile=0.5, history=3), [0.5]),  # after 1, the threshold is 0.75
        (clip_by_quantile(quantile=0.5, history=3), [2.0]),
    ],
)
def test_a_clipping_says_whether_it_changed_a_gradient(clip: Any, gradient: list[float]) -> None:
    clip(parameters_with_gradients([1.0]))
    parameters = parameters_with_gradients(gradient)
    is_changed = clip(parameters).is_changed
    assert bool(is_changed) is (gradients_of(parameters) != gradient)


def test_without_clipping_there_is_nothing_to_say() -> None:
    assert no_clipping()(parameters_with_gradients([3.0])).is_changed is None


@pytest.mark.parametrize("clip", [clip_by_norm(threshold=6.0), clip_by_value(threshold=6.0)])
def test_gradients_below_the_threshold_are_left_alone(clip: Any) -> None:
    parameters = parameters_with_gradients([3.0], [0.0, -4.0])
    clip(parameters)
    assert gradients_of(parameters) == [3.0, 0.0, -4.0]


@pytest.mark.parametrize(
    "clip",
    [
        no_clipping(),
        clip_by_norm(threshold=1.0),
        clip_by_value(threshold=1.0),
        clip_by_quantile(quantile=0.5, history=3),
    ],
)
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(clip: Any, broken: float) -> None:
    assert not torch.isfinite(clip(parameters_with_gradients([3.0], [broken])).norm)


@settings(max_examples=50, deadline=None)
@given(
    norms=st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=30),
    quantile=st.floats(0.01, 0.99),
    history=st.integers(2, 10),
)
def test_clipping_by_quantile_scales_down_to_the_quantile_of_the_last_norms(
    norms: list[float], quantile: float, history: int
) -> None:
    clip = clip_by_quantile(quantile=quantile, history=history)
    for number, norm in enumerate(norms):
        parameters = parameters_with_gradients([norm])
        clip(parameters)
        threshold = float(np.quantile(norms[max(0, number + 1 - history) : number + 1], quantile))
        expected = min(norm, threshold) if threshold > 0 else norm
        assert gradients_of(parameters) == pytest.approx([expected], rel=1e-4, abs=1e-6)


def test_a_norm_that_is_not_finite_is_not_remembered() -> None:
    clip = clip_by_quantile(quantile=0.5, history=10)
    for norm in (2.0, float("nan"), float("inf")):
        clip(parameters_with_gradients([norm]))
    parameters = parameters_with_gradients([4.0])
    clip(parameters)
    assert gradients_of(parameters) == pytest.approx([3.0], rel=1e-4)


def test_two_clippings_by_quantile_do_not_share_what_they_remember() -> None:
    one, other = (clip_by_quantile(quantile=0.5, history=10) for _ in range(2))
    one(parameters_with_gradients([1.0]))
    parameters = parameters_with_gradients([5.0])
    other(parameters)
    assert gradients_of(parameters) == [5.0]
