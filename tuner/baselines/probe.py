"""What a probe sees of texts that a model of words does not: characters, and which of the commonest words stand together.

A linear model on these tells labels where words have no spaces between them, where numbers stand for words, and where two words
tell only together. It is nothing to beat: it says whether there is anything to learn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

TOKEN_PATTERN = r"\w+|[^\w\s]"
MOST_ROWS = 20_000
"""Rows that it is fitted on or judges: fitting is to take seconds."""

_MOST_PIECES = 30_000
_COMMONEST = 60  # words; of these there are 1,770 pairs


def fit_pieces(texts: Sequence[str]) -> tuple[Any, Callable[[Sequence[str]], Any]]:
    """Return features (rows, pieces and pairs), and what makes them of other texts.

    Pieces are TF-IDF of one to three characters within what stands between spaces; pairs are 1 where a text has both words.
    """
    options = {"analyzer": "char_wb", "ngram_range": (1, 3), "max_features": _MOST_PIECES, "sublinear_tf": True}
    try:
        vectoriser = TfidfVectorizer(min_df=2, **options).fit(texts)
    except ValueError:  # no piece stands in two texts
        vectoriser = TfidfVectorizer(min_df=1, **options).fit(texts)
    frequencies = Counter(word for text in texts for word in words_of(text))
    commonest = {word: place for place, (word, _) in enumerate(frequencies.most_common(_COMMONEST))}

    def transform(others: Sequence[str]) -> Any:
        return csr_matrix(hstack([vectoriser.transform(others), _pairs(others, commonest)]))

    return transform(texts), transform


def words_of(text: str) -> set[str]:
    """Return the words and single signs of a text, in lower case."""
    return set(re.findall(TOKEN_PATTERN, text.lower()))


def _pairs(texts: Sequence[str], places: dict[str, int]) -> Any:
    """Return 1 where a text has both words of a pair (rows, pairs), pairs in the order of the upper triangle."""
    columns = [sorted(places[word] for word in words_of(text) if word in places) for text in texts]
    has = np.zeros((len(texts), len(places)), dtype=bool)
    for row, found in enumerate(columns):
        has[row, found] = True
    first, second = np.triu_indices(len(places), k=1)
    return csr_matrix((has[:, first] & has[:, second]).astype(np.float64))
