"""Deal rows to parts: stratified by label, with copies and groups kept together, and reproducible."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from tuner.data.dataset import Positions, RowInputs
from tuner.data.sequences import Sequences
from tuner.data.token_lists import are_token_lists

_PURPOSE = 1  # separates this use of the run's seed from others


def row_keys(inputs: RowInputs) -> list[str] | list[bytes]:
    """Return one key per row, equal only for copies: the words of a text in lower case, or a hash of a sequence's bytes."""
    if isinstance(inputs, Sequences):
        return [hashlib.blake2b(inputs.row(number).tobytes(), digest_size=16).digest() for number in range(len(inputs))]
    return [text_key(text) for text in inputs]


def text_key(text: str) -> str:
    """Return the key of a text, equal for copies: its words in lower case, with single spaces. Tokens stay as they are."""
    return text if are_token_lists([text]) else " ".join(text.lower().split())


def linked_rows(keys: Sequence[Hashable], groups: Sequence[str | None]) -> Positions:
    """Return the block number of each row (rows,). Rows with equal keys or equal groups are in one block.

    Links are transitive: a row that shares its key with one row and its group with another joins both.
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
    """Deal the rows to parts so that each part gets its fraction of every label's rows. Blocks stay whole.

    Row `owners[i]` has label `codes[i]`. `blocks` (rows,) is the block number of each row. `fractions` belong to parts 1,
    2, …; part 0 gets the rest. Returns the part of each row (rows,).

    This is iterative stratification: Sechidis, Tsoumakas, Vlahavas, "On the stratification of multi-label data", ECML PKDD
    2011, algorithm 1, with blocks of rows instead of single rows. The label with the fewest rows left is dealt first. Each of
    its blocks goes to the part that lacks most rows of the label; if parts are equal, to the part that lacks most rows. Rows
    without labels count as one more label, so they are dealt evenly too. The larger blocks of a label go first, while
    every part still has room for them.
    """
    has_label = np.zeros(len(blocks), dtype=bool)
    has_label[owners] = True
    unlabelled = np.flatnonzero(~has_label)
    label_of = np.concatenate([codes, np.full(len(unlabelled), n_labels)])
    block_of = blocks[np.concatenate([owners, unlabelled])]
    sizes = np.bincount(blocks)
    held, blocks_of = _incidence(block_of, label_of, sizes, n_labels + 1, seed)
    left = np.bincount(label_of, minlength=n_labels + 1).tolist()
    part_of_block = _deal_blocks(held, blocks_of, sizes, left, [1 - sum(fractions), *fractions])
    return np.array(part_of_block, dtype=np.int64)[blocks]


def _deal_blocks(
    held: list[list[tuple[int, int]]],
    blocks_of: list[list[int]],
    sizes: Positions,
    left: list[int],
    shares: Sequence[float],
) -> list[int]:
    """Return the part of every block. `left` are the rows of every label, counted down as its blocks are dealt."""
    lacks = [[share * rows for rows in left] for share in shares]
    lacks_rows = [share * int(sizes.sum()) for share in shares]
    part_of_block = [-1] * len(sizes)  # -1: not dealt yet
    queue = [(rows, label) for label, rows in enumerate(left) if rows]
    heapq.heapify(queue)
    while queue:
        rows, rarest = heapq.heappop(queue)
        if rows != left[rarest]:
            continue  # outdated: some rows were dealt since, and the queue also has the label with its new count
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
    return part_of_block


def _incidence(
    block_of: Positions, label_of: Positions, sizes: Positions, n_labels: int, seed: int
) -> tuple[list[list[tuple[int, int]]], list[list[int]]]:
    """Return the (label, rows) pairs of every block, and the blocks of every label, shuffled but with large ones first."""
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
