"""Vectors of a vocabulary's tokens that do not begin at random: read from a file, or trained on the training texts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.tokenisers import PADDING, SPECIAL_TOKENS, Encoded
from tuner.data.word_vectors import Vectors

_SEED = 0x5645_4354  # the same vectors in every run; what a trial's own seed changes is the rest of its model
_SPREAD_OF_NONE = 0.1
_LONGEST_SENTENCE = 10_000  # gensim passes over what is beyond
_WINDOW, _NEGATIVE, _PASSES = 5, 5, 5


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """One vector for each token number, float32 (tokens, size); padding's is zero. `is_found` (tokens,) bool is not drawn."""

    vectors: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    @property
    def found(self) -> float:
        """The share of the vocabulary, without the two special tokens, whose vectors were not drawn at random."""
        return self.found_among(len(self.is_found))

    def found_among(self, tokens: int) -> float:
        """The same share among the first `tokens` numbers only, as a trial cuts the vocabulary."""
        return float(self.is_found[SPECIAL_TOKENS:tokens].mean()) if tokens > SPECIAL_TOKENS else 0.0


def spellings_to_find(spellings: Sequence[str]) -> set[str]:
    """Return what to look for in a file: tokens as they are spelled, and in lower case."""
    return {*spellings, *(spelling.lower() for spelling in spellings)}


def table_of_words(spellings: Sequence[str], vectors: Vectors) -> EmbeddingTable:
    """Return the vectors of tokens 2, 3 … by their spellings, or if the file has not those, by them in lower case.

    The other tokens' vectors, the unknown one's too, are drawn from a normal distribution as wide as the found ones.
    `vectors` has at least one.
    """
    size = len(next(iter(vectors.values())))
    table = np.zeros((SPECIAL_TOKENS + len(spellings), size), np.float32)
    is_found = np.zeros(len(table), bool)
    for number, spelling in enumerate(spellings, SPECIAL_TOKENS):
        vector = vectors.get(spelling, vectors.get(spelling.lower()))
        if vector is not None:
            table[number], is_found[number] = vector, True
    return _with_drawn(table, is_found)


def train_word2vec(encoded: Encoded, tokens: int, *, size: int) -> EmbeddingTable:
    """Train vectors for `tokens` numbers on training rows, by skip-gram with negative sampling (Mikolov et al. 2013).

    One thread and a fixed seed: the same rows give the same vectors, in every process.
    """
    from gensim.models import Word2Vec

    model = Word2Vec(
        list(_sentences(encoded, tokens)),
        vector_size=size,
        window=_WINDOW,
        negative=_NEGATIVE,
        epochs=_PASSES,
        sg=1,
        min_count=1,
        workers=1,
        seed=0,
        hashfxn=_stable_hash,
    )
    table = np.zeros((tokens, size), np.float32)
    is_found = np.zeros(tokens, bool)
    numbers = np.array([int(name) for name in model.wv.index_to_key])
    table[numbers], is_found[numbers] = model.wv.vectors, True
    is_found[:SPECIAL_TOKENS] = False
    return _with_drawn(table, is_found)


def _stable_hash(text: str) -> int:
    return zlib.crc32(text.encode())


def _sentences(encoded: Encoded, tokens: int) -> Iterator[list[str]]:
    """Yield rows as gensim wants them, lists of names, in stretches that it reads to their end."""
    names = np.array([str(number) for number in range(tokens)], dtype=object)[encoded.steps]
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        for first in range(start, end, _LONGEST_SENTENCE):
            yield names[first : min(first + _LONGEST_SENTENCE, end)].tolist()


def _with_drawn(table: NDArray[np.float32], is_found: NDArray[np.bool_]) -> EmbeddingTable:
    """Draw the vectors that were not found."""
    spread = float(table[is_found].std()) if is_found.any() else _SPREAD_OF_NONE
    generator = np.random.default_rng(_SEED)
    # All are drawn, so that a token's vector depends on its number alone.
    drawn = generator.normal(0.0, spread, table.shape).astype(np.float32)
    vectors = np.where(is_found[:, None], table, drawn)
    vectors[PADDING] = 0.0
    return EmbeddingTable(vectors, is_found)
