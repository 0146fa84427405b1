"""A fitted linear model as plain arrays, which a bundle can hold: its features, and a logistic regression on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import RowInputs
from tuner.data.sequences import Sequences, Standardiser, resampled
from tuner.data.terms import Terms, term_options
from tuner.data.tokenisers import refuse_other_keys
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator
from tuner.space.configuration import is_finite_number
from tuner.space.task import Task

Float32s: TypeAlias = NDArray[np.float32]

FLATTENED = "flattened"
"""The kind of the JSON of `FlatFeatures`."""

_NUMBERS = ("steps", "length_mean", "length_spread")


@dataclass(frozen=True, eq=False)
class TermFeatures:
    """TF-IDF of the terms of texts, with logarithms of counts, scaled to length 1. `idf` (terms,) is higher for rarer terms."""

    terms: Terms
    idf: Float32s

    def __len__(self) -> int:
        return len(self.terms)

    def __call__(self, texts: Sequence[str]) -> Any:
        """Return a sparse matrix (rows, terms)."""
        return self._vectoriser.transform(texts)

    @cached_property
    def _vectoriser(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        places = {term: place for place, term in enumerate(self.terms.spellings)}
        vectoriser = TfidfVectorizer(vocabulary=places, sublinear_tf=True, **term_options(self.terms.rule))
        vectoriser.idf_ = self.idf.astype(np.float64)
        return vectoriser


@dataclass(frozen=True, eq=False)
class FlatFeatures:
    """Standardised sequences at `steps` evenly spaced points, and their lengths, standardised too."""

    standardiser: Standardiser
    steps: int
    length_mean: float
    length_spread: float

    def __len__(self) -> int:
        return self.steps * len(self.standardiser.mean) + 1

    def __call__(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return an array (rows, steps x channels + 1), the last column the length."""
        points = resampled(self.standardiser.standardise(sequences), self.steps)
        return np.column_stack([points, (sequences.lengths - self.length_mean) / self.length_spread])

    def to_bytes(self) -> bytes:
        """Return JSON from which `restore_flat` restores the same features."""
        described = {"kind": FLATTENED, **{name: getattr(self, name) for name in _NUMBERS}}
        return json.dumps({**described, "standardiser": json.loads(self.standardiser.to_bytes())}).encode()


def restore_flat(described: Mapping[str, Any]) -> FlatFeatures:
    """Rebuild features from their JSON. Raises KeyError or ValueError if the JSON is incomplete or invalid."""
    refuse_other_keys(described, (*_NUMBERS, "standardiser"))
    steps, mean, spread = (described[name] for name in _NUMBERS)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps is {steps!r}, but must be a whole number of at least 1")
    if not is_finite_number(mean) or not is_finite_number(spread) or spread <= 0:
        raise ValueError("the mean and spread of lengths are not finite numbers, or the spread is not above 0")
    return FlatFeatures(Standardiser.from_json(described["standardiser"]), steps, float(mean), float(spread))


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A fitted linear model: `features` computes what the regressions weigh.

    A regression has a row of `coefficients` (regressions, features) and one of `intercepts`. In multi-label, regression n is for
    label `labels[n]`. Otherwise there is one for each of `labels`, or a single one for the second of two. `always` (labels,)
    are those that all training rows have. Coefficients are float32: they take half the room, and decide alike.
    """

    task: Task
    features: Callable[[Any], Any]
    coefficients: Float32s
    intercepts: Float32s
    labels: NDArray[np.int64]
    always: Indicator

    def probabilities(self, inputs: RowInputs) -> Reals:
        """Return the probability of each label, (rows, labels)."""
        probabilities = np.tile(self.always.astype(np.float64), (len(inputs), 1))
        if len(inputs) and len(self.labels):
            scores = np.asarray(self.features(inputs) @ self.coefficients.T + self.intercepts, np.float64)
            probabilities[:, self.labels] = self._squash(scores)
        return probabilities

    def _squash(self, scores: Reals) -> Reals:
        """Turn scores (rows, regressions) into probabilities (rows, self.labels)."""
        from scipy.special import expit, softmax

        if self.task == "multilabel":
            return np.asarray(expit(scores))
        if len(self.labels) == 2:
            second = expit(scores)
            return np.hstack([1 - second, second])
        return np.asarray(softmax(scores, axis=1))
