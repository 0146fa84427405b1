"""Made texts whose words tell their labels, with some noise: small or odd sets that curves are recorded of.

A set is rows of words and labels, drawn from a seed. `write_texts` lays one down as a Parquet file with the columns text, labels
(or label) and split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Truth = NDArray[np.bool_]
SHOWN = 0.97  # how often a true label shows in a word
STRAY = 0.1  # how many words of other labels a row has on average


def always_true(generator: np.random.Generator, rows: int) -> Truth:
    """Three labels, the first true of every row: shape (rows, 3)."""
    return generator.random((rows, 3)) < np.array([1.0, 0.3, 0.15])


def zipf(generator: np.random.Generator, rows: int) -> Truth:
    """200 labels, the k-th true of a share 0.5 / k^0.9 of the rows: shape (rows, 200)."""
    return generator.random((rows, 200)) < 0.5 / np.arange(1, 201) ** 0.9


def ten_classes(generator: np.random.Generator, rows: int) -> Truth:
    """Ten classes, as many rows of each: shape (rows, 10)."""
    return np.eye(10, dtype=np.bool_)[generator.permutation(np.arange(rows) % 10)]


def make_texts(truth: Truth, generator: np.random.Generator, *, cues: int, fillers: int) -> list[str]:
    """Return a text a row: a word, one of `cues`, of most of its true labels, stray ones of others, and three to six fillers.

    The label that is true of all rows has words too. Their order is random.
    """
    texts = []
    for row in truth:
        true = np.flatnonzero(row)
        shown = true[generator.random(len(true)) < SHOWN]
        stray = generator.integers(0, len(row), generator.poisson(STRAY))
        words = [f"label{label}word{generator.integers(cues)}" for label in (*shown, *stray)]
        words += [f"filler{number}" for number in generator.integers(0, fillers, generator.integers(3, 7))]
        texts.append(" ".join(words[place] for place in generator.permutation(len(words))))
    return texts


KINDS: Mapping[str, tuple[Callable[[np.random.Generator, int], Truth], int, int]] = {
    "always_true": (always_true, 3, 100),
    "zipf": (zipf, 1, 200),
    "ten_classes": (ten_classes, 1, 30),
}
"""How the truth of a set is drawn, the number of words that tell a label, and that of words that tell nothing."""


def write_texts(kind: str, path: Path, *, train: int, validation: int, is_single: bool, seed: int = 0) -> Path:
    """Write a set; the same arguments make the same rows. It has ten test rows, which nothing reads."""
    draw, cues, fillers = KINDS[kind]
    generator = np.random.default_rng((seed, train, validation))
    sizes = {"train": train, "validation": validation, "test": 10}
    truth = np.concatenate([draw(generator, rows) for rows in sizes.values()])
    named = [[f"l{label:03}" for label in np.flatnonzero(row)] for row in truth]
    labels = {"label": [names[0] for names in named]} if is_single else {"labels": named}
    split = [name for name, rows in sizes.items() for _ in range(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = make_texts(truth, generator, cues=cues, fillers=fillers)
    pq.write_table(pa.table({"text": texts, **labels, "split": split}), path)
    return path
