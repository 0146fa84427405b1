"""The features of the probe: characters, and pairs of common words, which a model of words does not see.

From these, a linear model can predict labels if texts have no spaces, if numbers stand for words, or if only two words together
matter. A champion need not beat the probe: the probe shows whether there is anything to learn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from tuner.data.terms import TOKEN_PATTERN
from tuner.data.token_lists import are_token_lists, split_tokens

MOST_ROWS = 20_000
"""The most rows that the probe is fitted on or judges, so that fitting takes seconds."""

_MOST_PIECES = 30_000
_COMMONEST = 60  # words, which form 1,770 pairs
_LEAST_TEXTS = 2  # training texts that must contain a word before a model gives it weight
_NUMBERS = 0.1  # with at least this share of the characters, words with digits may separate the labels


def fit_pieces(texts: Sequence[str]) -> tuple[Any, Callable[[Sequence[str]], Any]]:
    """Return features (rows, pieces and pairs), and the function that computes them for other texts.

    Pieces are TF-IDF of one to three characters that do not cross a space. A pair is 1 if a text has both words.
    """
    options = {"analyzer": "char_wb", "ngram_range": (1, 3), "max_features": _MOST_PIECES, "sublinear_tf": True}
    try:
        vectoriser = TfidfVectorizer(min_df=2, **options).fit(texts)
    except ValueError:  # no piece occurs in two texts
        vectoriser = TfidfVectorizer(min_df=1, **options).fit(texts)
    frequencies = Counter(word for text in texts for word in dict.fromkeys(words_of(text)))  # in order, unlike a set
    commonest = {word: place for place, (word, _) in enumerate(frequencies.most_common(_COMMONEST))}

    def transform(others: Sequence[str]) -> Any:
        return csr_matrix(hstack([vectoriser.transform(others), _pairs(others, commonest)]))

    return transform(texts), transform


def words_of(text: str) -> list[str]:
    """Return the words and single signs of a text in order, in lower case; of a list of tokens, the tokens."""
    return split_tokens(text) if are_token_lists([text]) else re.findall(TOKEN_PATTERN, text.lower())


def seen_share(train: Sequence[str], judged: Sequence[str]) -> float:
    """Return the share of the judged texts that a model of whole words can learn from: words in at least two training texts.

    It is a share of characters, so that a clause without spaces counts for more than the full stop behind it. If words with
    digits make up a tenth of the characters and their own share is lower, that share counts. 0 if there is no word.
    """
    frequencies = Counter(word for text in train for word in set(words_of(text)))
    characters, seen = Counter[bool](), Counter[bool]()
    for word, times in Counter(word for text in judged for word in words_of(text)).items():
        is_number = any(map(str.isdigit, word))
        characters[is_number] += times * len(word)
        seen[is_number] += times * len(word) * (frequencies[word] >= _LEAST_TEXTS)
    total = characters.total()
    return min(
        (seen[kind] / count for kind, count in characters.items() if count >= _NUMBERS * total),
        default=0.0,
    )


def _pairs(texts: Sequence[str], places: dict[str, int]) -> Any:
    """Return 1 where a text has both words of a pair (rows, pairs), pairs in the order of the upper triangle."""
    has = np.zeros((len(texts), len(places)), dtype=bool)
    for row, text in enumerate(texts):
        has[row, [places[word] for word in words_of(text) if word in places]] = True
    first, second = np.triu_indices(len(places), k=1)
    return csr_matrix((has[:, first] & has[:, second]).astype(np.float64))
