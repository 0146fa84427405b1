import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data.sequences import Sequences
from tuner.data.stratification import linked_rows, row_keys, stratify


def _random_labels(n_rows: int, n_labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Owners and codes of labels with steeply falling frequencies; some rows have no label."""
    rng = np.random.default_rng(seed)
    rates = 0.5 / np.arange(1, n_labels + 1)
    owners, codes = np.nonzero(rng.random((n_rows, n_labels)) < rates)
    return owners, codes


def _counts(owners: np.ndarray, codes: np.ndarray, parts: np.ndarray, n_labels: int) -> np.ndarray:
    return np.stack([np.bincount(codes[parts[owners] == part], minlength=n_labels) for part in range(parts.max() + 1)])


def test_each_part_has_its_share_of_every_label() -> None:
    owners, codes = _random_labels(4000, 20, seed=0)
    parts = stratify(owners, codes, np.arange(4000), [0.15, 0.25], n_labels=20, seed=0)
    counts = _counts(owners, codes, parts, 20)
    wanted = np.outer([0.6, 0.15, 0.25], counts.sum(axis=0))
    assert np.abs(counts - wanted).max() <= 2
    assert np.abs(np.bincount(parts) / 4000 - [0.6, 0.15, 0.25]).max() < 0.01


def test_rows_without_labels_are_dealt_out_evenly_too() -> None:
    owners, codes = _random_labels(2000, 6, seed=1)
    parts = stratify(owners, codes, np.arange(2000), [0.2], n_labels=6, seed=0)
    unlabelled = np.setdiff1d(np.arange(2000), owners)
    assert parts[unlabelled].mean() == pytest.approx(0.2, abs=0.01)


def test_the_only_row_of_a_label_goes_to_train() -> None:
    owners = np.arange(100)
    codes = np.array([0] * 99 + [1])
    assert stratify(owners, codes, owners, [0.15, 0.15], n_labels=2, seed=0)[99] == 0


def test_large_blocks_do_not_distort_the_shares() -> None:
    blocks = np.concatenate([np.repeat(np.arange(4), 60), np.arange(4, 764)])
    rows = np.arange(len(blocks))
    parts = stratify(rows, rows % 3, blocks, [0.15, 0.15], n_labels=3, seed=0)
    assert np.abs(np.bincount(parts) / len(blocks) - [0.7, 0.15, 0.15]).max() < 0.01


@settings(max_examples=50)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 4))), min_size=1, max_size=60),
    seed=st.integers(0, 5),
)
def test_every_block_stays_whole_and_the_same_seed_gives_the_same_parts(
    rows: list[tuple[int, set[int]]], seed: int
) -> None:
    blocks = np.unique([block for block, _ in rows], return_inverse=True)[1]
    owners = np.array([row for row, (_, labels) in enumerate(rows) for _ in labels], dtype=np.int64)
    codes = np.array([label for _, labels in rows for label in labels], dtype=np.int64)
    parts = stratify(owners, codes, blocks, [0.2, 0.2], n_labels=5, seed=seed)
    assert ((parts >= 0) & (parts <= 2)).all()
    assert all(len(set(parts[blocks == block])) == 1 for block in set(blocks))
    assert (parts == stratify(owners, codes, blocks, [0.2, 0.2], n_labels=5, seed=seed)).all()


def test_another_seed_gives_other_parts() -> None:
    owners = np.arange(200)
    parts = [stratify(owners, owners % 2, owners, [0.3], n_labels=2, seed=seed) for seed in (0, 1)]
    assert (parts[0] != parts[1]).any()


def test_texts_are_copies_regardless_of_case_and_spaces() -> None:
    keys = row_keys(("a b", "c", " A  b\n", "d"))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_sequences_are_copies_if_every_value_is_the_same() -> None:
    keys = row_keys(Sequences.of([[1, 2], [1], [1, 2], [1, 2, 3], [1, 2.5]]))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 4


def test_links_by_key_and_by_group_are_transitive() -> None:
    blocks = linked_rows(["a", "a", "b", "c", "d"], ["1", "2", "2", None, None])
    assert blocks[0] == blocks[1] == blocks[2]
    assert len(set(blocks)) == 3


@pytest.mark.parametrize(("n_rows", "n_labels"), [(50_000, 28), (20_000, 1000)])
def test_many_rows_and_labels_take_seconds_at_most(n_rows: int, n_labels: int) -> None:
    owners, codes = _random_labels(n_rows, n_labels, seed=0)
    started = time.process_time()
    stratify(owners, codes, np.arange(n_rows), [0.15, 0.15], n_labels=n_labels, seed=0)
    assert time.process_time() - started < 3
