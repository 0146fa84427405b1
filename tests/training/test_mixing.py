"""Rows mixed after the embedding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.training.mixing import mix_partners, mix_up


def embedded_rows(lengths: list[int], *, padding: float) -> torch.Tensor:
    """Return random rows (rows, longest + 1, 3) with `padding` after their end."""
    values = torch.randn(len(lengths), max(lengths) + 1, 3, generator=torch.Generator().manual_seed(0))
    for row, length in zip(values, lengths, strict=True):
        row[length:] = padding
    return values


def mixed_by_hand(
    own: torch.Tensor, partner: torch.Tensor, weight: float, lengths: tuple[int, int]
) -> tuple[torch.Tensor, int]:
    mixed = torch.zeros_like(own)
    mixed[: lengths[0]] += (1 - weight) * own[: lengths[0]]
    mixed[: lengths[1]] += weight * partner[: lengths[1]]
    return mixed, max(1, round((1 - weight) * lengths[0] + weight * lengths[1]))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    partners=st.lists(st.integers(1, 9), min_size=2, max_size=2),
    weights=st.lists(st.integers(1, 15), min_size=2, max_size=2),
    padding=st.sampled_from([0.0, 7.0]),
)
def test_a_row_and_its_partner_are_mixed_step_by_step_whatever_stands_in_their_padding(
    lengths: list[int], partners: list[int], weights: list[int], padding: float
) -> None:
    shares = [weight / 16 for weight in weights]
    embedded = embedded_rows(lengths + partners, padding=padding)
    mixed = torch.tensor([2, 0])
    steps, new_lengths = mix_partners(embedded, torch.tensor(lengths + partners), mixed, torch.tensor(shares))
    assert steps.shape == (3, embedded.shape[1], 3)
    for number, row in enumerate(mixed.tolist()):
        expected, length = mixed_by_hand(
            embedded[row], embedded[3 + number], shares[number], (lengths[row], partners[number])
        )
        torch.testing.assert_close(steps[row], expected)
        assert int(new_lengths[row]) == length
    torch.testing.assert_close(steps[1, : lengths[1]], embedded[1, : lengths[1]])
    assert int(new_lengths[1]) == lengths[1]


def test_mixup_mixes_every_row_with_the_one_that_the_order_gives_it() -> None:
    lengths = [4, 1, 6]
    embedded = embedded_rows(lengths, padding=7.0)
    order = torch.tensor([2, 0, 1])
    steps, new_lengths = mix_up(embedded, torch.tensor(lengths), order, 0.25)
    for row, partner in enumerate(order.tolist()):
        expected, length = mixed_by_hand(embedded[row], embedded[partner], 0.25, (lengths[row], lengths[partner]))
        torch.testing.assert_close(steps[row], expected)
        assert int(new_lengths[row]) == length


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_share_of_all_or_nothing_gives_one_of_the_two_rows(weight: float) -> None:
    lengths = [2, 5]
    embedded = embedded_rows(lengths, padding=0.0)
    steps, new_lengths = mix_up(embedded, torch.tensor(lengths), torch.tensor([1, 0]), weight)
    chosen = [0, 1] if weight == 0 else [1, 0]
    torch.testing.assert_close(steps, embedded[chosen])
    assert new_lengths.tolist() == [lengths[row] for row in chosen]


def test_gradients_reach_both_rows_by_their_shares() -> None:
    embedded = torch.ones(2, 3, 1, requires_grad=True)
    steps, _ = mix_partners(embedded, torch.tensor([3, 2]), torch.tensor([0]), torch.tensor([0.25]))
    steps.sum().backward()  # type: ignore[no-untyped-call]
    assert embedded.grad is not None
    assert embedded.grad[:, :, 0].tolist() == [[0.75, 0.75, 0.75], [0.25, 0.25, 0.0]]
