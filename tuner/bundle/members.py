"""The models of a bundle: LSTMs, and perhaps a linear model. A committee averages the probabilities of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.linear_model import LinearModel
from tuner.data.dataset import RowInputs
from tuner.data.encoded import Encoded
from tuner.data.model_rows import make_rows
from tuner.data.preparation import Preparation
from tuner.data.subwords import SubwordTokeniser
from tuner.data.tokenisers import Tokeniser
from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.space.configuration import Configuration
from tuner.space.task import Task
from tuner.training.loop import predict_logits


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

    @property
    def parameters(self) -> int:
        """The number of its weights."""
        return sum(each.numel() for each in self.model.parameters())

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

    @property
    def parameters(self) -> int:
        """The number of its weights."""
        return self.model.coefficients.size + self.model.intercepts.size

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


def share_preparations(members: Sequence[Member]) -> tuple[Member, ...]:
    """Give recurrent models whose tokenisers differ at most in how many tokens they keep the same one, so that rows encode once.

    It keeps as many tokens as the model with the largest vocabulary knows. The others take those that they do not know for
    unknown ones in any case. Standardisers of the same rows are equal.
    """
    groups: list[list[LstmMember]] = []
    for member in sorted((each for each in members if isinstance(each, LstmMember)), key=_size, reverse=True):
        group = next((group for group in groups if _serves(group[0].preparation, member.preparation)), None)
        if group is None:
            groups.append([member])
        else:
            group.append(member)
    shared = {id(member): preparation for group in groups for preparation in (_cut(group),) for member in group}
    return tuple(
        replace(member, preparation=shared[id(member)]) if isinstance(member, LstmMember) else member
        for member in members
    )


def _size(member: LstmMember) -> int:
    return len(member.preparation) if isinstance(member.preparation, Tokeniser) else 0


def _serves(wide: Preparation, preparation: Preparation) -> bool:
    """Return whether an encoding by `wide` is that of `preparation`, but for tokens that only `wide` knows."""
    if not (isinstance(wide, Tokeniser) and isinstance(preparation, Tokeniser)):
        return wide.to_bytes() == preparation.to_bytes()
    if isinstance(wide, SubwordTokeniser):
        return wide == preparation
    return wide.cut(len(preparation)) == preparation


def _cut(group: Sequence[LstmMember]) -> Preparation:
    """Return the preparation of the first model, the widest, with only the tokens that a model of the group knows."""
    widest = group[0].preparation
    return widest.cut(max(member.vocabulary or 0 for member in group)) if isinstance(widest, Tokeniser) else widest
