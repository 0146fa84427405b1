"""A bundle: the directory of one model, with everything a prediction needs and no code.

weights.safetensors   parameters by name
preparation.json      how a row is read: the tokeniser with its vocabulary, or each channel's mean and scale
bundle.json           task, labels, thresholds, configuration, and the record of how the model was made

A bundle may come from anyone. Loading never runs or unpickles its content, and never opens a path named in it. It refuses a
bundle with other files, with links, or with parts that do not fit together, before it allocates memory for the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray

from tuner.bundle.bundle_json import (
    FILES,
    FORMAT,
    THRESHOLDS,
    as_bundle_error,
    bundle_error,
    check_keys,
    check_plain_file,
    is_list_of,
    is_name,
    read_bundle_json,
)
from tuner.bundle.description import describe_model, results_of_run
from tuner.data.dataset import RowInputs
from tuner.data.encoded import Encoded
from tuner.data.name_lists import list_names
from tuner.data.preparation import Preparation, kind_of, preparation_setting, read_preparation
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.token_lists import are_token_lists, as_plain_text, is_token, join_tokens
from tuner.data.tokenisers import Tokeniser, WordTokeniser
from tuner.data.trial_data import make_rows
from tuner.errors import DataError, Fault
from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.model.weights import MAX_HEADER_BYTES, Shapes, filled, fitting_model, read_shapes
from tuner.scoring.indicator import Indicator
from tuner.scoring.thresholds import decide
from tuner.space.configuration import Configuration, check_configuration
from tuner.space.settings import LABEL_FIELDS, LABEL_FORM_FIELDS, STEP_FIELDS, Task
from tuner.storage import Folder
from tuner.training.loop import predict_logits

_INPUTS = ("text", "sequence")
_FORM = (*LABEL_FORM_FIELDS, "label_case")
_LISTS = ("label_columns", "label_names")
_NEEDED_CONFIGURATION = ("max_length", "truncation")


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    """A loaded model. It computes in float32 on the CPU, so that predictions are the same on every machine.

    `columns` names the columns of its training data: text or sequence, label, labels or label_columns, and group, sequence_id
    and order, if there are such. It also says how the labels are written, as `tuner.data.dataset.Columns` does. Rows to predict
    are texts, lists of tokens (words or whole numbers), or arrays (steps, channels) of any lengths.
    """

    task: Task
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    configuration: Configuration
    columns: Mapping[str, Any]
    record: Mapping[str, Any]
    model: SequenceClassifier
    preparation: Preparation

    def __repr__(self) -> str:
        """Return at most five lines: task, labels, inputs, macro-F1 and verdict, size."""
        return describe_model(
            task=self.task,
            labels=self.labels,
            columns=self.columns,
            unit="step" if self.vocabulary is None else "token",
            max_length=self.max_length,
            record=self.record,
            parameters=sum(each.numel() for each in self.model.parameters()),
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

    def encode(self, inputs: RowInputs | Sequence[Any]) -> Encoded:
        """Encode rows, at full length. Raises DataError as `predict_proba` does."""
        self._refuse_other_rows(inputs)
        if not len(inputs):
            return Encoded(np.zeros(0, np.int32), np.zeros(1, np.int64))
        return self.preparation.encode(self._as_inputs(inputs))

    def predict_encoded(self, encoded: Encoded) -> NDArray[np.float64]:
        """Return the probabilities (rows, labels) of rows from `encode`, each cut to the length that the model reads."""
        if not len(encoded):
            return np.zeros((0, len(self.labels)))
        rows = make_rows(
            encoded,
            np.zeros(len(encoded), np.int64),
            vocabulary=self.vocabulary,
            max_length=self.max_length,
            truncation=str(self.configuration["truncation"]),
        )
        return to_probabilities(predict_logits(self.model, rows), self.task, seen=self.seen)

    @property
    def vocabulary(self) -> int | None:
        """The number of tokens that the model knows, with padding and the unknown token. None for sequences."""
        return None if self.model.embedding is None else self.model.embedding.num_embeddings

    @property
    def max_length(self) -> int:
        """The number of tokens or steps that the model reads of a row."""
        return int(self.configuration["max_length"])

    def decide(self, probabilities: NDArray[np.float64]) -> Indicator:
        """Return decisions as a bool array (rows, labels) from probabilities of that shape."""
        return decide(probabilities, self.thresholds, self.task)

    def predict(self, inputs: RowInputs | Sequence[Any]) -> list[str] | list[list[str]]:
        """Return each row's label; in multi-label, each row's list of labels, possibly empty."""
        return self.name_decisions(self.decide(self.predict_proba(inputs)))

    def name_decisions(self, decisions: Indicator) -> list[str] | list[list[str]]:
        """Turn decisions (rows, labels) into label names: one per row, or a list per row in multi-label."""
        if self.task == "multilabel":
            return [[self.labels[label] for label in np.flatnonzero(row)] for row in decisions]
        return [self.labels[label] for label in decisions.argmax(1)]

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
    folder, name = location.rsplit("/", 1)
    Folder.at(folder).write(name, _to_safetensors(model))


def save_probabilities(location: str, probabilities: NDArray[np.float64], *, examples: int) -> None:
    """Write probabilities (rows, labels) of held-out rows to `location`, with the number of examples the model has seen."""
    folder, name = location.rsplit("/", 1)
    content = {"probabilities": probabilities, "examples": np.array([examples], np.int64)}
    Folder.at(folder).write(name, safetensors.numpy.save(content))


def read_probabilities(content: bytes) -> tuple[NDArray[np.float64], int | None]:
    """Read what `save_probabilities` wrote: probabilities, and examples or None if an older file lacks them."""
    arrays = safetensors.numpy.load(content)
    return arrays["probabilities"], int(arrays["examples"][0]) if "examples" in arrays else None


def restore_model(weights: bytes, configuration: Configuration, preparation: Preparation) -> SequenceClassifier:
    """Build the model of a configuration with weights from `save_weights`, ready to predict in float32.

    Raises ValueError if the weights do not fit such a model, or are not finite.
    """
    return filled(fitting_model(read_shapes(weights), configuration, channels=_channels(preparation)), weights)


def _channels(preparation: Preparation) -> int | None:
    return len(preparation.mean) if isinstance(preparation, Standardiser) else None


def save_bundle(folder: Folder, bundle: Bundle) -> None:
    """Write a bundle, `bundle.json` last. An infinite threshold, which no probability reaches, is written as null."""
    described = {
        "format": FORMAT,
        "task": bundle.task,
        "labels": list(bundle.labels),
        "seen": bundle.seen.tolist(),
        "thresholds": [value if np.isfinite(value) else None for value in bundle.thresholds.tolist()],
        "configuration": dict(bundle.configuration),
        "columns": dict(bundle.columns),
        "record": dict(bundle.record),
    }
    folder.write("weights.safetensors", _to_safetensors(bundle.model))
    folder.write("preparation.json", bundle.preparation.to_bytes())
    folder.write("bundle.json", json.dumps(described, indent=1, ensure_ascii=False).encode())


def load(location: str | Path) -> Bundle:
    """Load a bundle, or a run's champion, from a local path or URI. Raises BundleError naming what is wrong."""
    folder = Folder.at(location)
    if folder.exists("champion/bundle.json"):
        folder = folder.below("champion")
    if folder.exists("bundle.json"):
        described = read_bundle_json(folder)
    missing = [name for name in FILES if not folder.exists(name)]
    if missing and folder.exists("environment.json"):
        remedy = "give a run that finished; `tuner show` says how far this one got"
        raise bundle_error(folder, f"the run has no champion (it is {_run_status(folder)})", remedy)
    if missing:
        raise bundle_error(folder, f"{', '.join(missing)} not found", "give the champion/ folder of a finished run")
    extra = [name for name in folder.names() if name not in FILES]
    if extra:
        problem = f"the folder also holds {list_names([repr(name) for name in extra])}, which is not part of a bundle"
        raise bundle_error(folder, problem, f"move it elsewhere: a bundle is {', '.join(FILES)} and no other file")
    for name in FILES:
        check_plain_file(folder, name)
    with as_bundle_error(folder):
        bundle = _assemble(folder, described)
    return replace(bundle, record={**bundle.record, **results_of_run(folder)})


def _run_status(folder: Folder) -> str:
    """Return the status in a run's manifest. `tuner.ledger` has a reader too, but bundles may not import it."""
    with as_bundle_error(folder):
        return (
            str(json.loads(folder.read("manifest.json"))["status"]) if folder.exists("manifest.json") else "unfinished"
        )


def _assemble(folder: Folder, described: Mapping[str, Any]) -> Bundle:
    task, labels, configuration = described["task"], tuple(described["labels"]), described["configuration"]
    preparation = read_preparation(folder.read("preparation.json"))
    is_text = isinstance(preparation, Tokeniser)
    check_configuration(configuration, "text" if is_text else "sequence")
    check_keys("the configuration", configuration, known=tuple(configuration), needed=_NEEDED_CONFIGURATION)
    if kind_of(preparation) != (wanted := preparation_setting(configuration).name):
        raise ValueError(f"preparation.json is for {kind_of(preparation)}, but the configuration is for {wanted}")
    _check_columns(described["columns"], is_text=is_text)
    shapes = _shapes_of_file(folder)
    counts = {
        "labels": (len(labels), (*shapes.get("head.bias", ()), 0)[0]),
        "seen": (len(described["seen"]), len(labels)),
        "thresholds": (len(described["thresholds"]), len(labels) if (n := THRESHOLDS[task]) is None else n),
    }
    if isinstance(preparation, Tokeniser):
        counts["tokens"] = (len(preparation), (*shapes.get("embedding.weight", ()), 0)[0])
    for name, (given, expected) in counts.items():
        if given != expected:
            raise ValueError(f"{given} {name}, but the rest of the bundle has {expected}")
    model = fitting_model(shapes, configuration, channels=_channels(preparation))
    thresholds = [np.inf if value is None else value for value in described["thresholds"]]
    return Bundle(
        task=task,
        labels=labels,
        seen=np.array(described["seen"], dtype=bool),
        thresholds=np.array(thresholds, np.float64),
        configuration=configuration,
        columns=described["columns"],
        record=described["record"],
        model=filled(model, folder.read("weights.safetensors")),
        preparation=preparation,
    )


def _shapes_of_file(folder: Folder) -> Shapes:
    """Read only the header of the weights. Raises ValueError if the file is not as long as its header says."""
    with folder.files.open_input_file(f"{folder.path}/weights.safetensors") as file:
        return read_shapes(file.read(MAX_HEADER_BYTES), size=file.size())


def _check_columns(columns: Mapping[str, Any], *, is_text: bool) -> None:
    """Raise ValueError unless the columns name inputs of the model's kind, and one kind of labels."""
    names = (*_INPUTS, *STEP_FIELDS, *LABEL_FIELDS, *_FORM, "group")
    check_keys("columns", columns, known=names, needed=_INPUTS)
    inputs = [name for name in _INPUTS if columns[name] is not None]
    if inputs != [_INPUTS[0] if is_text else _INPUTS[1]]:
        raise ValueError(
            f"the columns name {' and '.join(inputs) or 'no inputs'}, but the model reads a {_INPUTS[not is_text]}"
        )
    labels = [name for name in LABEL_FIELDS if columns.get(name) is not None]
    others = [name for name in ("group", *STEP_FIELDS) if columns.get(name) is not None]
    forms = [name for name in _FORM if columns.get(name) is not None]
    for name in (*inputs, *labels, *others, *forms):
        is_list = name in _LISTS or (name == "sequence" and isinstance(columns[name], list))
        if not (is_list_of(columns[name], is_name) if is_list else is_name(columns[name])) or columns[name] == []:
            rule = "a name or a list of names" if name in forms else "the name of a column"
            raise ValueError(f"columns.{name} in bundle.json is not {rule}")
    if len(labels) != 1:
        raise ValueError(f"the columns name {len(labels)} kinds of labels ({', '.join(labels)}), but must name one")


def _to_safetensors(model: SequenceClassifier) -> bytes:
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    return safetensors.torch.save(tensors)
