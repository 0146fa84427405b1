"""Batches: which rows go together, and how they are padded."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.imbalance.training_pass import Pass, TrainingRows
from tuner.training.augment import Augment, make_augment
from tuner.training.batches import Batch, EndlessBatches, Rows, bucketed, pad


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, 49), min_size=1, max_size=400),
    batch_size=st.integers(1, 20),
    strata=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_one_pass_yields_every_row_as_often_as_it_was_drawn(
    rows: list[int], batch_size: int, strata: int, seed: int
) -> None:
    drawn, lengths = np.array(rows), np.random.default_rng(seed).integers(1, 30, 50)
    batches = list(
        bucketed(
            drawn,
            np.arange(len(rows)) % strata,
            lengths,
            batch_size=batch_size,
            generator=np.random.default_rng(seed),
        )
    )
    assert np.sort(np.concatenate(batches)).tolist() == sorted(rows)
    assert all(0 < len(batch) <= batch_size for batch in batches)


def test_rows_of_a_batch_have_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(1, 101, 640)
    batches = bucketed(np.arange(640), np.zeros(640, int), lengths, batch_size=10, generator=np.random.default_rng(0))
    assert max(int(np.ptp(lengths[batch])) for batch in batches) <= 6  # about 80 if batches were random


def test_batches_come_in_another_order_every_time() -> None:
    generator = np.random.default_rng(0)
    passes = [
        [
            batch.tolist()
            for batch in bucketed(np.arange(99), np.zeros(99, int), np.ones(99, int), batch_size=9, generator=generator)
        ]
        for _ in range(2)
    ]
    assert passes[0] != passes[1]


def test_rows_are_padded_on_the_right() -> None:
    laid = pad(np.array([5, 6, 7, 8], np.int32), np.array([3, 0]), np.array([1, 3]))
    assert laid.tolist() == [[8, 0, 0], [5, 6, 7]]


def test_values_are_padded_with_zeros() -> None:
    steps = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    laid = pad(steps, np.array([3, 0]), np.array([1, 3]))
    assert laid.tolist() == [[[7, 8], [0, 0], [0, 0]], [[1, 2], [3, 4], [5, 6]]]
    assert laid.dtype == np.float32


# --- reading passes -----------------------------------------------------------------------------------------------------

LENGTHS = np.array([1, 2, 3, 4, 5, 6])
ROWS = Rows(
    steps=np.repeat(np.arange(10, 16), LENGTHS).astype(np.int32),  # row i has i + 1 tokens, all of number 10 + i
    starts=np.concatenate([[0], LENGTHS.cumsum()[:-1]]),
    lengths=LENGTHS,
    targets=np.arange(6),
)


def read_pass(one_pass: Pass, *, batch_size: int = 2, augment: Augment | None = None) -> list[Batch]:
    """Return the batches of one pass."""
    batches = endless_batches_of(one_pass, batch_size=batch_size, augment=augment)
    return list(itertools.islice(batches, -(-len(one_pass.rows) // batch_size)))


def endless_batches_of(one_pass: Pass, *, batch_size: int = 2, augment: Augment | None = None) -> EndlessBatches:
    return EndlessBatches(
        ROWS,
        task="multiclass",
        resample=lambda _data, _generator: one_pass,
        vectors=None,
        augment=augment,
        batch_size=batch_size,
        generator=np.random.default_rng(0),
    )


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(0, 5), min_size=1, max_size=40), batch_size=st.integers(1, 50))
def test_a_row_keeps_its_target_its_tokens_and_its_length(rows: list[int], batch_size: int) -> None:
    drawn = np.array(rows)
    batches = read_pass(Pass(drawn, np.zeros(len(drawn), np.int64)), batch_size=min(batch_size, len(rows)))
    targets = np.concatenate([batch.targets for batch in batches])
    assert sorted(targets) == sorted(rows)
    for batch in batches:
        assert (batch.lengths == batch.targets + 1).all()
        assert (batch.steps.sum(1) == batch.lengths * (batch.targets + 10)).all()


def test_partners_stand_after_the_rows_that_are_mixed_and_no_others() -> None:
    drawn, strata = np.array([0, 1, 2]), np.zeros(3, np.int64)
    weights = np.array([0.25, 0.0, 0.5], np.float32)
    (batch,) = read_pass(Pass(drawn, strata, np.array([3, 4, 5]), weights), batch_size=3)
    assert len(batch) == 3
    partner_of = {0: 3, 2: 5}
    weight_of = {0: 0.25, 2: 0.5}
    for partner, (row, weight) in enumerate(zip(batch.mixed, batch.weights, strict=True), start=3):
        assert batch.steps[partner, 0] == 10 + partner_of[batch.targets[row]]
        assert weight == weight_of[batch.targets[row]]
    assert sorted(batch.targets[batch.mixed]) == [0, 2]
    assert len(batch.steps) == len(batch.lengths) == 5


def test_a_pass_may_bring_targets_of_its_own() -> None:
    drawn = np.array([0, 1, 2, 3])
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    batches = read_pass(Pass(drawn, np.zeros(4, np.int64), targets=targets))
    for batch in batches:
        assert batch.targets.tolist() == targets[batch.lengths - 1].tolist()


def test_an_augmentation_sees_every_row_of_a_batch_with_its_length() -> None:
    def blank(steps: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(np.arange(steps.shape[1]) < lengths[:, None], 1, 0)

    partners, weights = np.array([5, 5, 5]), np.full(3, 0.5, np.float32)
    (batch,) = read_pass(Pass(np.arange(3), np.zeros(3, np.int64), partners, weights), batch_size=3, augment=blank)
    assert (batch.steps.sum(1) == batch.lengths).all()


def test_resampling_is_given_the_training_rows_and_draws_every_pass_anew() -> None:
    seen: list[TrainingRows] = []
    vectors = np.ones((6, 2), np.float32)

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        seen.append(data)
        return Pass(np.array([len(seen)]), np.zeros(1, np.int64))

    batches = EndlessBatches(
        ROWS,
        task="multiclass",
        resample=draw,
        vectors=vectors,
        augment=None,
        batch_size=1,
        generator=np.random.default_rng(0),
    )
    assert [int(batch.targets[0]) for batch in itertools.islice(batches, 3)] == [1, 2, 3]
    assert seen[0].vectors is vectors
    assert (seen[0].task, seen[0].targets.tolist()) == ("multiclass", ROWS.targets.tolist())


def test_passes_shorter_than_a_batch_are_joined_so_that_a_batch_is_as_large_as_asked_for() -> None:
    batches = endless_batches_of(Pass(np.array([0, 1]), np.zeros(2, np.int64)), batch_size=5)
    assert sorted(len(batch) for batch in itertools.islice(batches, 2)) == [1, 5]


def test_a_pass_without_a_row_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(ValueError, match="resampling left no training row"):
        next(endless_batches_of(Pass(np.empty(0, np.int64), np.empty(0, np.int64))))


# --- continuing from a saved state ----------------------------------------------------------------------------------------


class CountedRows(Rows):
    """Rows that count how often a batch of them is padded."""

    laid = 0

    def padded(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        type(self).laid += 1
        return super().padded(rows)


def drawn_batches(*, rows: Rows = ROWS, size: int = 2, seed: int = 0) -> EndlessBatches:
    """Return batches of passes that differ in their rows and lengths."""

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        drawn = generator.integers(0, len(data), generator.integers(1, 9))
        return Pass(drawn, np.zeros(len(drawn), np.int64))

    return EndlessBatches(
        rows,
        task="multiclass",
        resample=draw,
        vectors=None,
        augment=make_augment("text", vocabulary=20, generator=np.random.default_rng(seed), token_replacement=0.5),
        batch_size=size,
        generator=np.random.default_rng((seed, 1)),
    )


@settings(max_examples=40, deadline=None)
@given(before=st.integers(0, 30), size=st.integers(1, 5))
def test_batches_continue_from_a_saved_state(before: int, size: int) -> None:
    whole, other = drawn_batches(size=size), drawn_batches(size=size, seed=9)
    list(itertools.islice(whole, before))
    other.restore(json.loads(json.dumps(whole.state())))
    for one, again in zip(itertools.islice(whole, 12), itertools.islice(other, 12), strict=True):
        assert (one.steps.tolist(), one.targets.tolist()) == (again.steps.tolist(), again.targets.tolist())


def test_batches_drawn_before_are_skipped_without_reading_their_rows() -> None:
    batches = drawn_batches(size=1)
    list(itertools.islice(batches, 20))
    other = drawn_batches(rows=CountedRows(ROWS.steps, ROWS.starts, ROWS.lengths, ROWS.targets), size=1)
    other.restore(batches.state())
    assert CountedRows.laid == 0
    next(other)
    assert CountedRows.laid == 1


def test_batches_of_other_rows_are_refused() -> None:
    batches = endless_batches_of(Pass(np.arange(6), np.zeros(6, np.int64)), batch_size=1)
    list(itertools.islice(batches, 6))
    fewer = endless_batches_of(Pass(np.arange(3), np.zeros(3, np.int64)), batch_size=1)
    with pytest.raises(ValueError, match="fewer than 6 batches"):
        fewer.restore(batches.state())
