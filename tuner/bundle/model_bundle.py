"""A bundle: the directory of one model or of a committee, with everything a prediction needs and no code.

weights.safetensors   parameters by name, behind the number of their member
preparation.json      how rows are read, a list: tokenisers with their vocabularies, or each channel's mean and scale
bundle.json           task, labels, thresholds, members with their configurations, and the record of how they were made
rows.safetensors      fingerprints of the rows that the model has seen; may be absent, and no prediction reads it

A bundle may come from anyone. Loading never runs or unpickles its content, and never opens a path named in it. It refuses a
bundle with other files, with links, or with parts that do not fit together, before it allocates memory for a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray

from tuner.bundle.bundle_files import WEIGHTS, read_files
from tuner.bundle.bundle_json import FORMAT, as_bundle_error
from tuner.bundle.description import describe_model, results_of_run
from tuner.bundle.known_rows import KnownRows, save_known_rows
from tuner.bundle.member_files import describe_members, load_members, weights_of
from tuner.bundle.members import EncodedRows, LinearMember, LstmMember, Member, encode_rows
from tuner.data.dataset import RowInputs
from tuner.data.encoded import Encoded
from tuner.data.preparation import Preparation
from tuner.data.sequences import Sequences
from tuner.data.token_lists import are_token_lists, as_plain_text, is_token, join_tokens
from tuner.data.tokenisers import WordTokeniser
from tuner.errors import DataError, Fault
from tuner.model.classifier import SequenceClassifier
from tuner.scoring.committee import mean_probabilities
from tuner.scoring.indicator import Indicator, name_decisions
from tuner.scoring.thresholds import decide
from tuner.space.configuration import Configuration
from tuner.space.task import Task
from tuner.storage import Folder, split


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    """A loaded model, or a committee of several. They compute in float32 on the CPU: predictions are the same on every machine.

    The first of `members` leads: it is the best single model, and an LSTM. A committee's probabilities are the mean of those of
    its members, weighted by how often each was chosen. `configuration`, `model` and `preparation` are the leading member's.

    `columns` names the columns of its training data: text or sequence, label, labels or label_columns, and group, sequence_id
    and order, if there are such. It also says how the labels are written, as `tuner.data.dataset.Columns` does. Rows to predict
    are texts, lists of tokens (words or whole numbers), or arrays (steps, channels) of any lengths.
    """

    task: Task
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    columns: Mapping[str, Any]
    record: Mapping[str, Any]
    members: tuple[Member, ...]

    def __repr__(self) -> str:
        """Return at most five lines: task, labels, inputs, macro-F1 and verdict, size."""
        return describe_model(
            task=self.task,
            labels=self.labels,
            columns=self.columns,
            unit="step" if self.vocabulary is None else "token",
            max_length=self.max_length,
            record=self.record,
            parameters=sum(member.parameters for member in self.members),
            models=["LSTM" if isinstance(member, LstmMember) else member.name for member in self.members],
            vocabulary=self.vocabulary,
        )

    @property
    def is_tokenised(self) -> bool:
        """Whether the model reads lists of tokens, and no texts."""
        return isinstance(self.preparation, WordTokeniser) and self.preparation.is_tokenised

    def predict_proba(self, inputs: RowInputs | Sequence[Any]) -> NDArray[np.float64]:
        """Return the probability of every label, shape (rows, labels), in the order of `labels`.

        Raises DataError unless `inputs` is a list of rows of the kind that the model was trained on.
        """
        return self.predict_encoded(self.encode(inputs))

    def encode(self, inputs: RowInputs | Sequence[Any]) -> EncodedRows:
        """Encode rows for every member, at full length. Raises DataError as `predict_proba` does."""
        self._refuse_other_rows(inputs)
        if not len(inputs):
            return EncodedRows((), (Encoded(np.zeros(0, np.int32), np.zeros(1, np.int64)),))
        return encode_rows(self.members, self._as_inputs(inputs))

    def predict_encoded(self, rows: EncodedRows) -> NDArray[np.float64]:
        """Return the probabilities (rows, labels) of rows from `encode`, each cut to the length that a member reads."""
        if not len(rows):
            return np.zeros((0, len(self.labels)))
        return mean_probabilities(
            (member.weight, self._of_member(number, rows)) for number, member in enumerate(self.members)
        )

    def _of_member(self, number: int, rows: EncodedRows) -> NDArray[np.float64]:
        member, encoded = self.members[number], rows.encodings[number]
        if isinstance(member, LinearMember):
            return member.probabilities(rows.inputs)
        assert encoded is not None
        return member.probabilities(encoded, self.task, seen=self.seen)

    @property
    def leading(self) -> LstmMember:
        """The member that leads."""
        member = self.members[0]
        assert isinstance(member, LstmMember)
        return member

    @property
    def configuration(self) -> Configuration:
        """The configuration of the leading member."""
        return self.leading.configuration

    @property
    def model(self) -> SequenceClassifier:
        """The network of the leading member."""
        return self.leading.model

    @property
    def preparation(self) -> Preparation:
        """What turns rows into the numbers that the leading member reads."""
        return self.leading.preparation

    @property
    def vocabulary(self) -> int | None:
        """The number of tokens that the leading member knows, with padding and the unknown token. None for sequences."""
        return self.leading.vocabulary

    @property
    def max_length(self) -> int:
        """The number of tokens or steps that the leading member reads of a row."""
        return self.leading.max_length

    def decide(self, probabilities: NDArray[np.float64]) -> Indicator:
        """Return decisions as a bool array (rows, labels) from probabilities of that shape."""
        return decide(probabilities, self.thresholds, self.task)

    def predict(self, inputs: RowInputs | Sequence[Any]) -> list[str] | list[list[str]]:
        """Return each row's label; in multi-label, each row's list of labels, possibly empty."""
        return self.name_decisions(self.decide(self.predict_proba(inputs)))

    def name_decisions(self, decisions: Indicator) -> list[str] | list[list[str]]:
        """Turn decisions (rows, labels) into label names: one per row, or a list per row in multi-label."""
        return name_decisions(decisions, self.labels, is_list=self.task == "multilabel")

    def _refuse_other_rows(self, inputs: Any) -> None:
        """Raise DataError for rows of another kind, and for a single text: its characters would count as rows."""
        if isinstance(inputs, str | bytes):
            problem = f"this is one {type(inputs).__name__}, not a list of rows"
            raise DataError([Fault("inputs", problem, "put it in a list: predict([text])")])
        if self.model.embedding is not None and not isinstance(inputs, Sequences):
            for number, row in enumerate(inputs, 1):
                what = _not_tokens(row) if self.is_tokenised else _not_text(row)
                if what is not None:
                    remedy = "a list of str or int" if self.is_tokenised else "str"
                    raise DataError([Fault(f"inputs: row {number}", what, f"give every row as {remedy}")])

    def _as_inputs(self, inputs: RowInputs | Sequence[Any]) -> RowInputs:
        if isinstance(inputs, Sequences):
            return inputs
        if self.model.embedding is not None:
            as_row = _as_token_row if self.is_tokenised else as_plain_text
            return tuple(_encodable(as_row(row)) for row in inputs)
        try:
            return Sequences.of(inputs)
        except ValueError as error:
            remedy = "give each row as a list of numbers, or as a list of steps that are lists of numbers"
            raise DataError([Fault("inputs", str(error), remedy)]) from error


def _not_text(row: Any) -> str | None:
    """Say what is wrong with a row for a model of texts, or return None."""
    return None if isinstance(row, str) else f"the model reads texts, but this is {type(row).__name__}"


def _not_tokens(row: Any) -> str | None:
    """Say what is wrong with a row for a model of token lists, or return None. Reading a file makes rows that are right."""
    if isinstance(row, str) and are_token_lists([row]):
        return None
    if not isinstance(row, list | tuple | np.ndarray):
        return f"the model reads lists of tokens, but this is {type(row).__name__}"
    bad = [token for token in row if not is_token(token)]
    return f"{bad[0]!r} is not a token: a word or a whole number" if bad else None


def _as_token_row(row: str | Sequence[Any]) -> str:
    return row if isinstance(row, str) else join_tokens(map(str, row))


def _encodable(text: str) -> str:
    """Replace lone surrogates in a text. JSON can hold them, but no encoding and no tokeniser accepts them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def save_weights(location: str, model: SequenceClassifier) -> None:
    """Write a model's parameters as one safetensors file."""
    folder, name = split(location)
    Folder.at(folder).write(name, safetensors.torch.save(weights_of(model)))


def save_probabilities(location: str, probabilities: NDArray[np.float64], *, examples: int) -> None:
    """Write probabilities (rows, labels) of held-out rows to `location`, with the number of examples the model has seen."""
    folder, name = split(location)
    content = {"probabilities": probabilities, "examples": np.array([examples], np.int64)}
    Folder.at(folder).write(name, safetensors.numpy.save(content))


def read_probabilities(content: bytes) -> tuple[NDArray[np.float64], int | None]:
    """Read what `save_probabilities` wrote: probabilities, and examples or None if an older file lacks them."""
    arrays = safetensors.numpy.load(content)
    return arrays["probabilities"], int(arrays["examples"][0]) if "examples" in arrays else None


def save_bundle(folder: Folder, bundle: Bundle, rows: KnownRows | None = None) -> None:
    """Write a bundle, `bundle.json` last. An infinite threshold, which no probability reaches, is written as null.

    `rows` are the rows that the model has seen.
    """
    members, preparations, weights = describe_members(bundle.members)
    described = {
        "format": FORMAT,
        "task": bundle.task,
        "labels": list(bundle.labels),
        "seen": bundle.seen.tolist(),
        "thresholds": [value if np.isfinite(value) else None for value in bundle.thresholds.tolist()],
        "members": members,
        "columns": dict(bundle.columns),
        "record": dict(bundle.record),
    }
    folder.write(WEIGHTS, weights)
    folder.write("preparation.json", preparations)
    if rows is not None:
        save_known_rows(folder, rows)
    folder.write("bundle.json", json.dumps(described, indent=1, ensure_ascii=False).encode())


def load(location: str | Path) -> Bundle:
    """Load a bundle, or a run's champion, from a local path or URI. Raises BundleError naming what is wrong."""
    files = read_files(location)
    described = files.described
    thresholds = [np.inf if value is None else value for value in described["thresholds"]]
    with as_bundle_error(files.folder):
        return Bundle(
            task=described["task"],
            labels=tuple(described["labels"]),
            seen=np.array(described["seen"], dtype=bool),
            thresholds=np.array(thresholds, np.float64),
            columns=described["columns"],
            record={**described["record"], **results_of_run(files.folder)},
            members=tuple(load_members(files)),
        )
