"""Text to token numbers, by the `tokenizers` library.

A tokeniser is fitted on training texts only, and its numbers follow frequency: 0 is padding, 1 the unknown token, 2 the
commonest word. So a smaller vocabulary or a larger minimum count is the same encoding cut at a lower number, and trials that
differ only in those share one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.trainers import WordLevelTrainer

PADDING, UNKNOWN = 0, 1
SPECIAL_TOKENS = 2
_PADDING_TOKEN, _UNKNOWN_TOKEN = "[PAD]", "[UNK]"
_WORDS = r"\w+|[^\w\s]"
_WIDEST_VOCABULARY = 1_000_000


@dataclass(frozen=True)
class Encoded:
    """Rows of token numbers laid end to end: row i is `ids[offsets[i]:offsets[i + 1]]`."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row, shape (rows,)."""
        return np.diff(self.offsets)


def fit_words(texts: Sequence[str], *, lower_case: bool) -> Tokenizer:
    """Fit a word tokeniser: runs of letters and digits, and single punctuation marks; commonest first, ties by spelling."""
    tokeniser = _word_tokeniser({_PADDING_TOKEN: PADDING, _UNKNOWN_TOKEN: UNKNOWN}, lower_case=lower_case)
    trainer = WordLevelTrainer(
        vocab_size=_WIDEST_VOCABULARY,
        min_frequency=1,
        special_tokens=[_PADDING_TOKEN, _UNKNOWN_TOKEN],
        show_progress=False,
    )
    tokeniser.train_from_iterator(texts, trainer, length=len(texts))
    # A trained tokeniser reads "[PAD]" in a text as padding. One that is cut does not, and is what a bundle has.
    return cut_vocabulary(tokeniser, _WIDEST_VOCABULARY)


def cut_vocabulary(tokeniser: Tokenizer, size: int) -> Tokenizer:
    """Return the tokeniser that knows only the first `size` numbers; everything rarer becomes the unknown token."""
    kept = {word: number for word, number in tokeniser.get_vocab().items() if number < size}
    smaller = Tokenizer(WordLevel(kept, unk_token=_UNKNOWN_TOKEN))
    smaller.normalizer = tokeniser.normalizer
    smaller.pre_tokenizer = tokeniser.pre_tokenizer
    return smaller


def encode(tokeniser: Tokenizer, texts: Sequence[str]) -> Encoded:
    """Encode texts; a text without any token becomes one unknown token, so that no row is empty."""
    rows = [
        encoding.ids or [UNKNOWN] for encoding in tokeniser.encode_batch_fast(list(texts), add_special_tokens=False)
    ]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    ids = np.fromiter((number for row in rows for number in row), np.int32, count=int(offsets[-1]))
    return Encoded(ids=ids, offsets=offsets)


def _word_tokeniser(vocabulary: dict[str, int], *, lower_case: bool) -> Tokenizer:
    tokeniser = Tokenizer(WordLevel(vocabulary, unk_token=_UNKNOWN_TOKEN))
    if lower_case:
        tokeniser.normalizer = normalizers.Lowercase()
    tokeniser.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    return tokeniser
