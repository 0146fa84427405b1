"""Augmentation: what it changes, and what it leaves unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.data.tokenisers import SPECIAL_TOKENS, UNKNOWN
from tuner.training import augment as module
from tuner.training.augment import Augment, make_augment

TEXT = ("token_dropout", "token_swap", "token_replacement")
SEQUENCE = ("noise", "scaling", "smoothing", "time_masking")
VOCABULARY = 50


def make(name: str, strength: float, *, seed: int = 0) -> Augment:
    inputs: Any = "text" if name in TEXT else "sequence"
    augment = make_augment(inputs, vocabulary=VOCABULARY, generator=np.random.default_rng(seed), **{name: strength})
    assert augment is not None
    return augment


def padded_tokens(lengths: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.int64]:
    """Return token numbers (rows, longest + 2), so that every row is padded."""
    steps = np.random.default_rng(seed).integers(2, VOCABULARY, (len(lengths), lengths.max() + 2))
    return np.where(np.arange(steps.shape[1]) < lengths[:, None], steps, 0)


def padded_values(lengths: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.float32]:
    """Return values (rows, longest + 2, 3)."""
    steps = np.random.default_rng(seed).normal(size=(len(lengths), lengths.max() + 2, 3)).astype(np.float32)
    steps[np.arange(steps.shape[1]) >= lengths[:, None]] = 0
    return steps


def padded(name: str, lengths: NDArray[np.int64], *, seed: int = 0) -> NDArray[Any]:
    return padded_tokens(lengths, seed=seed) if name in TEXT else padded_values(lengths, seed=seed)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(TEXT + SEQUENCE),
    strength=st.floats(0.01, 0.99),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_shape_type_and_padding_stay_and_the_input_is_not_changed(
    name: str, strength: float, lengths: list[int], seed: int
) -> None:
    sizes = np.array(lengths)
    steps = padded(name, sizes, seed=seed)
    before = steps.copy()
    changed = make(name, strength, seed=seed)(steps, sizes)
    assert (changed.shape, changed.dtype) == (steps.shape, steps.dtype)
    assert (changed[np.arange(steps.shape[1]) >= sizes[:, None]] == 0).all()
    assert np.array_equal(steps, before)


@pytest.mark.parametrize("name", TEXT + SEQUENCE)
def test_a_seed_gives_the_same_changes_and_another_seed_gives_others(name: str) -> None:
    lengths = np.full(30, 20)
    steps = padded(name, lengths)
    one, again, other = (make(name, 0.5, seed=seed)(steps, lengths) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", TEXT + SEQUENCE)
def test_the_same_rows_are_changed_differently_the_next_time(name: str) -> None:
    lengths = np.full(30, 20)
    steps, augment = padded(name, lengths), make(name, 0.5)
    assert not np.array_equal(augment(steps, lengths), augment(steps, lengths))


def test_without_any_strength_there_is_no_augmentation() -> None:
    assert make_augment("text", vocabulary=9, generator=np.random.default_rng(0)) is None
    assert make_augment("sequence", generator=np.random.default_rng(0)) is None


@pytest.mark.parametrize(("inputs", "name"), [("text", "noise"), ("sequence", "token_swap")])
def test_an_augmentation_of_the_other_inputs_is_refused(inputs: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"does not apply to {inputs} inputs"):
        make_augment(inputs, vocabulary=9, generator=np.random.default_rng(0), **{name: 0.1})


def test_special_tokens_have_the_numbers_that_the_tokenisers_give_them() -> None:
    assert (module._UNKNOWN, module._FIRST_WORD) == (UNKNOWN, SPECIAL_TOKENS)


# --- text ---------------------------------------------------------------------------------------------------------------

MANY = np.full(400, 50)


def test_token_dropout_makes_its_share_of_tokens_unknown_and_leaves_the_others() -> None:
    steps = padded_tokens(MANY)
    changed = make("token_dropout", 0.3)(steps, MANY)
    dropped = changed != steps
    assert (changed[dropped] == UNKNOWN).all()
    assert dropped.sum() / MANY.sum() == pytest.approx(0.3, abs=0.02)


def test_token_replacement_draws_from_the_whole_vocabulary_but_the_special_tokens() -> None:
    steps = padded_tokens(MANY) * 0 + np.where(padded_tokens(MANY) > 0, 7, 0)
    changed = make("token_replacement", 0.4)(steps, MANY)
    replaced = changed != steps
    assert replaced.sum() / MANY.sum() == pytest.approx(0.4, abs=0.02)
    assert set(changed[replaced]) == set(range(SPECIAL_TOKENS, VOCABULARY)) - {7}


def test_a_vocabulary_without_words_has_nothing_to_replace_tokens_with() -> None:
    augment = make_augment("text", vocabulary=2, generator=np.random.default_rng(0), token_replacement=0.9)
    assert augment is not None
    steps = np.ones((3, 4), np.int64)
    assert np.array_equal(augment(steps, np.full(3, 4)), steps)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.01, 0.99), length=st.integers(1, 15), seed=st.integers(0, 999))
def test_a_swapped_row_has_the_same_tokens_none_of_them_further_than_one_place_away(
    share: float, length: int, seed: int
) -> None:
    steps = np.zeros((20, 17), np.int64)
    steps[:, :length] = np.arange(2, 2 + length)
    changed = make("token_swap", share, seed=seed)(steps, np.full(20, length))[:, :length]
    assert (np.sort(changed, axis=1) == np.arange(2, 2 + length)).all()
    assert np.abs(changed - np.arange(2, 2 + length)).max() <= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_tokens_are_swapped_with_the_given_probability_unless_they_have_just_moved(share: float) -> None:
    steps = np.tile(np.arange(2, 102), (400, 1))
    changed = make("token_swap", share)(steps, np.full(400, 100))
    swaps = (changed > steps).sum() / steps.size
    assert swaps == pytest.approx(share / (1 + share), abs=0.01)


# --- numeric sequences --------------------------------------------------------------------------------------------------


def test_noise_has_the_given_deviation() -> None:
    steps = padded_values(MANY)
    added = (make("noise", 0.4)(steps, MANY) - steps)[:, :50]
    assert added.std() == pytest.approx(0.4, rel=0.02)
    assert added.mean() == pytest.approx(0, abs=0.01)


def test_scaling_multiplies_each_channel_of_each_row_by_one_factor() -> None:
    steps = padded_values(MANY)
    factors = make("scaling", 0.2)(steps, MANY)[:, :50] / steps[:, :50]
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-4)
    assert factors[:, 0].std() == pytest.approx(0.2, rel=0.1)
    assert factors[:, 0].mean() == pytest.approx(1, abs=0.02)


def test_smoothing_is_the_mean_of_three_steps_within_a_rows_own_length() -> None:
    steps = np.array([[[3.0], [6.0], [0.0], [9.0], [0.0], [0.0]]], np.float32)
    smoothed = make("smoothing", 0.999)(steps, np.array([4]))
    assert smoothed[0, :, 0].tolist() == [4.5, 3.0, 5.0, 4.5, 0.0, 0.0]


def test_smoothing_leaves_a_row_of_one_step_alone() -> None:
    steps = np.array([[[3.0]]], np.float32)
    assert make("smoothing", 0.999)(steps, np.array([1])).tolist() == [[[3.0]]]


def test_smoothing_takes_its_share_of_the_rows() -> None:
    steps = padded_values(MANY)
    changed = (make("smoothing", 0.3)(steps, MANY) != steps).any((1, 2))
    assert changed.mean() == pytest.approx(0.3, abs=0.06)


def test_time_masking_blanks_out_one_stretch_up_to_its_share_in_all_channels() -> None:
    steps = np.ones((400, 50, 3), np.float32)
    blank = make("time_masking", 0.4)(steps, MANY) == 0
    assert (blank.all(2) == blank.any(2)).all()
    widths = blank[:, :, 0].sum(1)
    edges = np.abs(np.diff(np.pad(blank[:, :, 0].astype(int), ((0, 0), (1, 1))), axis=1)).sum(1)
    assert set(edges) == {0, 2}
    assert (widths.min(), widths.max()) == (0, 20)
    assert widths.mean() == pytest.approx(10, abs=1)


def test_time_masking_stands_within_a_rows_own_length() -> None:
    lengths = np.array([5] * 200 + [50])
    steps = np.zeros((201, 50, 1), np.float32)
    steps[np.arange(50) < lengths[:, None]] = 1
    kept = make("time_masking", 0.99)(steps, lengths)[:200].sum((1, 2))
    assert kept.min() == 1
    assert kept.max() == 5
