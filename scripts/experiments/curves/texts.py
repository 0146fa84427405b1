"""Generated texts whose words give their labels away, with some noise: small or unusual sets for recorded curves.

A set has rows of words and labels, drawn from a seed. `write_texts` writes one as a Parquet file with the columns text, labels
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
SHOWN = 0.97  # how often a true label leaves a word
STRAY = 0.1  # number of words of other labels in a row, on average


def always_true(generator: np.random.Generator, rows: int) -> Truth:
    """Draw three labels, the first of them true on every row: shape (rows, 3)."""
    return generator.random((rows, 3)) < np.array([1.0, 0.3, 0.15])


def zipf(generator: np.random.Generator, rows: int) -> Truth:
    """Draw 200 labels, the k-th true on a share 0.5 / k^0.9 of the rows: shape (rows, 200)."""
    return generator.random((rows, 200)) < 0.5 / np.arange(1, 201) ** 0.9


def ten_classes(generator: np.random.Generator, rows: int) -> Truth:
    """Draw ten classes with equally many rows: shape (rows, 10)."""
    return np.eye(10, dtype=np.bool_)[generator.permutation(np.arange(rows) % 10)]


def make_texts(truth: Truth, generator: np.random.Generator, *, cues: int, fillers: int) -> list[str]:
    """Return one text per row, with its words in random order.

    Most true labels of a row leave one of their `cues` words; so does a label that is true on all rows. There are stray words
    of other labels, and three to six of the `fillers` words.
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
"""How to draw the truth of a set, the number of words for each label, and the number of words without meaning."""


def write_texts(kind: str, path: Path, *, train: int, validation: int, is_single: bool, seed: int = 0) -> Path:
    """Write a set. The same arguments make the same rows. Nothing reads its ten test rows."""
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
