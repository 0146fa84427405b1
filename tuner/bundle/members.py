"""The models of a bundle: LSTMs, and perhaps a linear model. A committee averages the probabilities of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoded import Encoded
from tuner.data.model_rows import make_rows
from tuner.data.preparation import Preparation
from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.space.configuration import Configuration
from tuner.space.task import Task
from tuner.training.loop import predict_logits

if TYPE_CHECKING:
    from tuner.baselines.linear import LinearModel  # imports scikit-learn
    from tuner.data.dataset import RowInputs


@dataclass(frozen=True, eq=False)
class LstmMember:
    """A recurrent model, and the number of the trial that trained it, if it is known.

    `weight` is how often a committee chose it. `preparation` may know more tokens than the model.
    """

    weight: int
    trial: int | None
    configuration: Configuration
    model: SequenceClassifier
    preparation: Preparation

    @property
    def vocabulary(self) -> int | None:
        """The number of tokens that the model knows, with padding and the unknown token. None for sequences."""
        return None if self.model.embedding is None else self.model.embedding.num_embeddings

    @property
    def max_length(self) -> int:
        """The number of tokens or steps that the model reads of a row."""
        return int(self.configuration["max_length"])

    def probabilities(self, encoded: Encoded, task: Task, *, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probabilities (rows, labels) of rows from `preparation`, each cut to the length that the model reads."""
        rows = make_rows(
            encoded,
            np.zeros(len(encoded), np.int64),
            vocabulary=self.vocabulary,
            max_length=self.max_length,
            truncation=str(self.configuration["truncation"]),
        )
        return to_probabilities(predict_logits(self.model, rows), task, seen=seen)


@dataclass(frozen=True, eq=False)
class LinearMember:
    """A linear model, by the name of its baseline. `weight` is how often a committee chose it."""

    weight: int
    name: str
    model: LinearModel

    def probabilities(self, inputs: RowInputs) -> NDArray[np.float64]:
        """Return the probabilities (rows, labels) of texts or sequences."""
        return self.model.probabilities(inputs)


Member: TypeAlias = LstmMember | LinearMember


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Rows as the members of a bundle read them: `inputs` as they are, and an encoding for each member, None for a linear one.

    Members with the same preparation have the same encoding, made once.
    """

    inputs: RowInputs
    encodings: tuple[Encoded | None, ...]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def leading(self) -> Encoded:
        """The encoding of the leading member."""
        encoded = self.encodings[0]
        assert encoded is not None
        return encoded


def encode_rows(members: Iterable[Member], inputs: RowInputs) -> EncodedRows:
    """Encode rows for each member, once for each preparation."""
    encoded_by: dict[int, Encoded] = {}
    encodings: list[Encoded | None] = []
    for member in members:
        if isinstance(member, LinearMember):
            encodings.append(None)
            continue
        preparation = member.preparation
        if id(preparation) not in encoded_by:
            encoded_by[id(preparation)] = preparation.encode(inputs)
        encodings.append(encoded_by[id(preparation)])
    return EncodedRows(inputs, tuple(encodings))


def mean_probabilities(weighted: Iterable[tuple[int, NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return the mean of probabilities (rows, labels), each given with its weight."""
    total, weights = None, 0
    for weight, probabilities in weighted:
        total = weight * probabilities if total is None else total + weight * probabilities
        weights += weight
    assert total is not None
    return np.asarray(total / weights)
