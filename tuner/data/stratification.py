"""Carving splits out of one set of rows: stratified, copies and groups kept together, the same every time."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import RowInputs
from tuner.data.sequences import Sequences

Positions = NDArray[np.int64]
_PURPOSE = 1  # sets this use of the run's seed apart from others


def row_keys(inputs: RowInputs) -> list[str] | list[bytes]:
    """Return what rows share exactly when they are copies: a text's words, in any case, or a hash of a sequence's bytes."""
    if isinstance(inputs, Sequences):
        return [hashlib.blake2b(inputs.row(number).tobytes(), digest_size=16).digest() for number in range(len(inputs))]
    return [text_key(text) for text in inputs]


def text_key(text: str) -> str:
    """Return what two texts share when they are copies: the words, in any case and with any spaces between."""
    return " ".join(text.lower().split())


def linked_rows(keys: Sequence[Hashable], groups: Sequence[str | None]) -> Positions:
    """Number the blocks of rows (rows,) that must stay together: rows that are linked by equal keys or equal groups.

    Links carry on: a row that shares its key with one row and its group with another joins both.
    """
    parents = list(range(len(keys)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    def link_equal(values: Iterable[Hashable]) -> None:
        first: dict[Hashable, int] = {}
        for row, value in enumerate(values):
            if value is not None:
                parents[root(row)] = root(first.setdefault(value, row))

    link_equal(keys)
    link_equal(groups)
    roots = np.array([root(row) for row in range(len(keys))], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def stratify(
    owners: Positions,
    codes: Positions,
    blocks: Positions,
    fractions: Sequence[float],
    *,
    n_labels: int,
    seed: int,
) -> Positions:
    """Deal the rows out to parts so that each part has its fraction of every label's rows, and blocks stay whole.

    Row `owners[i]` has label `codes[i]`; `blocks` (rows,) numbers the block of each row; `fractions` belong to the parts
    1, 2, … and part 0 is the rest. Returns the part of each row (rows,).

    Iterative stratification: Sechidis, Tsoumakas, Vlahavas, "On the stratification of multi-label data", ECML PKDD
    2011, algorithm 1, with blocks of rows in place of single rows. The label with the fewest rows left is dealt first,
    each of its blocks to the part that lacks most of it, then most rows. Rows without labels count as having one of
    their own, so they are dealt evenly too. The larger blocks of a label go first, while every part has room for them.
    """
    n_rows = len(blocks)
    has_label = np.zeros(n_rows, dtype=bool)
    has_label[owners] = True
    unlabelled = np.flatnonzero(~has_label)
    label_of = np.concatenate([codes, np.full(len(unlabelled), n_labels)])
    block_of = blocks[np.concatenate([owners, unlabelled])]
    sizes = np.bincount(blocks)
    held, blocks_of = _incidence(block_of, label_of, sizes, n_labels + 1, seed)

    left = np.bincount(label_of, minlength=n_labels + 1).tolist()
    shares = [1 - sum(fractions), *fractions]
    lacks = [[share * rows for rows in left] for share in shares]
    lacks_rows = [share * n_rows for share in shares]
    part_of_block = [-1] * len(sizes)
    queue = [(rows, label) for label, rows in enumerate(left) if rows]
    heapq.heapify(queue)
    while queue:
        rows, rarest = heapq.heappop(queue)
        if rows != left[rarest]:
            continue  # some were dealt since, and the label stands in the queue with what is left
        touched = set()
        for block in blocks_of[rarest]:
            if part_of_block[block] >= 0:
                continue
            part = max(range(len(shares)), key=lambda part: (lacks[part][rarest], lacks_rows[part]))
            part_of_block[block] = part
            lacks_rows[part] -= int(sizes[block])
            for label, count in held[block]:
                left[label] -= count
                lacks[part][label] -= count
                touched.add(label)
        for label in touched:
            if left[label]:
                heapq.heappush(queue, (left[label], label))
    return np.array(part_of_block, dtype=np.int64)[blocks]


def _incidence(
    block_of: Positions, label_of: Positions, sizes: Positions, n_labels: int, seed: int
) -> tuple[list[list[tuple[int, int]]], list[list[int]]]:
    """Return the (label, rows) pairs of every block, and the blocks of every label: shuffled, but large ones first."""
    keys, counts = np.unique(block_of * n_labels + label_of, return_counts=True)
    shuffled = np.random.default_rng((seed, _PURPOSE)).permutation(len(sizes))
    turn = np.empty(len(sizes), dtype=np.int64)
    turn[shuffled[np.argsort(-sizes[shuffled], kind="stable")]] = np.arange(len(sizes))
    in_turn = np.argsort(turn[keys // n_labels], kind="stable")
    held: list[list[tuple[int, int]]] = [[] for _ in sizes]
    blocks_of: list[list[int]] = [[] for _ in range(n_labels)]
    for key, count in zip(keys[in_turn].tolist(), counts[in_turn].tolist(), strict=True):
        block, label = divmod(key, n_labels)
        held[block].append((label, count))
        blocks_of[label].append(block)
    return held, blocks_of
