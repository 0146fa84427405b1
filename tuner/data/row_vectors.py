"""One vector per training row, for resampling rules that search for nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.data.sequences import Sequences, Standardiser, resampled
from tuner.data.terms import rule_of, term_options

_TOPICS = 100
_MAX_STEPS = 64


def document_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Map texts to points on the unit sphere, float32 (texts, at most 100), with TF-IDF and truncated SVD.

    This is latent semantic analysis (Deerwester et al. 1990) of words, of tokens, or of characters in a script without spaces. A
    text without words becomes the zero vector.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    if not any(text.strip() for text in texts):
        return np.zeros((len(texts), 1), np.float32)
    vectoriser = TfidfVectorizer(**term_options(rule_of(texts), most=1), sublinear_tf=True, dtype=np.float32)
    weights = vectoriser.fit_transform(texts)
    topics = min(_TOPICS, *(size - 1 for size in weights.shape))
    if topics < 1:
        return np.asarray(normalize(weights.toarray()), np.float32)
    points = TruncatedSVD(topics, random_state=0).fit_transform(weights)
    return np.asarray(normalize(points), np.float32)


def sequence_vectors(sequences: Sequences) -> NDArray[np.float32]:
    """Standardise sequences, stretch them to one length, and put their own length in front: float32 (rows, values).

    The common length is the median length, at most 64 steps. The lengths are standardised like the channels.
    """
    standardised = Standardiser.fit(sequences).encode(sequences)
    steps = min(round(float(np.median(sequences.lengths))), _MAX_STEPS)
    values = resampled(Sequences(np.asarray(standardised.steps, np.float32), standardised.offsets), steps)
    lengths = sequences.lengths.astype(np.float32)
    spread = float(lengths.std()) or 1.0
    return np.concatenate([(lengths[:, None] - lengths.mean()) / spread, values], axis=1, dtype=np.float32)
