"""Initial vectors for the tokens of a vocabulary, read from a file or trained on the training texts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoded import Encoded
from tuner.data.tokenisers import PADDING, SPECIAL_TOKENS
from tuner.data.word_vectors import Vectors

_SEED = 0x5645_4354  # every run has the same vectors; a trial's own seed changes the rest of its model
_DEFAULT_SPREAD = 0.1
_LONGEST_SENTENCE = 10_000  # gensim ignores the words after these
_WINDOW, _NEGATIVE, _PASSES = 5, 5, 5


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """One vector per token number, float32 (tokens, size); padding has zeros.

    `is_found` (tokens,) bool is true for vectors that were read or trained, and false for random vectors.
    """

    vectors: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    @property
    def share_found(self) -> float:
        """The share of the vocabulary, without the two special tokens, that has a vector from the file or from training."""
        return self.share_found_among(len(self.is_found))

    def share_found_among(self, tokens: int) -> float:
        """The same share among the first `tokens` numbers, for a trial that cuts the vocabulary."""
        return float(self.is_found[SPECIAL_TOKENS:tokens].mean()) if tokens > SPECIAL_TOKENS else 0.0


def spellings_to_find(spellings: Sequence[str]) -> set[str]:
    """Return the words to look for in a file: each token as spelled, and in lower case."""
    return {*spellings, *(spelling.lower() for spelling in spellings)}


def table_of_words(spellings: Sequence[str], vectors: Vectors) -> EmbeddingTable:
    """Look up the vectors of tokens 2, 3 … by spelling, then by spelling in lower case.

    All other tokens, with the unknown token, get random vectors from a normal distribution as wide as the vectors in the
    file. `vectors` must not be empty.
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

    Training uses one thread and a fixed seed, so the same rows give the same vectors in every process.
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
    """Yield rows as gensim expects them: lists of names, none longer than it reads."""
    names = np.array([str(number) for number in range(tokens)], dtype=object)[encoded.steps]
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        for first in range(start, end, _LONGEST_SENTENCE):
            yield names[first : min(first + _LONGEST_SENTENCE, end)].tolist()


def _with_drawn(table: NDArray[np.float32], is_found: NDArray[np.bool_]) -> EmbeddingTable:
    """Fill in random vectors for the tokens that were not found."""
    spread = float(table[is_found].std()) if is_found.any() else _DEFAULT_SPREAD
    generator = np.random.default_rng(_SEED)
    # Draw a vector for every token, so that each depends only on the token's number.
    drawn = generator.normal(0.0, spread, table.shape).astype(np.float32)
    vectors = np.where(is_found[:, None], table, drawn)
    vectors[PADDING] = 0.0
    return EmbeddingTable(vectors, is_found)
