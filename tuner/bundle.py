"""A bundle: one model's directory, with all that a prediction needs and no code.

weights.safetensors   parameters by name
preparation.json      how a row is read: the tokeniser with its vocabulary, or each channel's mean and scale
bundle.json           task, labels, thresholds, configuration and the record of how the model came about
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import safetensors
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray

from tuner.data.dataset import RowInputs
from tuner.data.preparation import Preparation, read_preparation
from tuner.data.prepare import make_rows
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.tokenise import Tokeniser
from tuner.errors import BundleError, DataError, Fault
from tuner.model.build import make_model, to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.scoring.f1 import Indicator
from tuner.scoring.thresholds import decide
from tuner.space.sampler import Configuration
from tuner.space.settings import LABEL_FIELDS, Task
from tuner.storage import Folder
from tuner.training.loop import predict_logits

FORMAT = 3
_FILES = ("bundle.json", "preparation.json", "weights.safetensors")
_KEYS = ("format", "task", "labels", "seen", "thresholds", "configuration", "columns", "record")
_INPUTS = ("text", "sequence")
RECORD = (
    "run",
    "trial",
    "seed",
    "penalty_weight",
    "validation_scores",
    "data",
    "validation",
    "baselines",
    "health",
    "profile",
)
"""What a record may tell: where the model comes from, what it was chosen by, and how its data and training looked."""
_TOLD = 300  # characters of what another library says
_NEEDED_RECORD = ("penalty_weight",)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A loaded model. It computes in float32 on the CPU, so that a prediction is the same on every machine.

    `columns` names the columns of the data that it was trained on: text or sequence, and label, labels or label_columns.
    Rows to predict are texts, or arrays (steps, channels) of any lengths.
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

    def predict_proba(self, inputs: RowInputs | Sequence[Any]) -> NDArray[np.float64]:
        """Return the probability of every label, shape (rows, labels), columns in the order of `labels`.

        Raises DataError for what is no list of rows, or not of the rows that the model was trained on.
        """
        self._refuse_other_rows(inputs)
        if not len(inputs):
            return np.zeros((0, len(self.labels)))
        encoded = self.preparation.encode(self._as_inputs(inputs))
        rows = make_rows(
            encoded,
            np.zeros(len(encoded), np.int64),
            vocabulary=None if self.model.embedding is None else self.model.embedding.num_embeddings,
            max_length=int(self.configuration["max_length"]),
            truncation=str(self.configuration["truncation"]),
        )
        return to_probabilities(predict_logits(self.model, rows), self.task, seen=self.seen)

    def decide(self, probabilities: NDArray[np.float64]) -> Indicator:
        """Return decisions as a bool array (rows, labels) from probabilities of that shape."""
        return decide(probabilities, self.thresholds, self.task)

    def predict(self, inputs: RowInputs | Sequence[Any]) -> list[str] | list[list[str]]:
        """Return each row's label; in multi-label, each row's list of labels, which may be empty."""
        return self.name_decisions(self.decide(self.predict_proba(inputs)))

    def name_decisions(self, decisions: Indicator) -> list[str] | list[list[str]]:
        """Turn decisions (rows, labels) into names, one a row, or a list a row in multi-label."""
        if self.task == "multilabel":
            return [[self.labels[label] for label in np.flatnonzero(row)] for row in decisions]
        return [self.labels[label] for label in decisions.argmax(1)]

    def _refuse_other_rows(self, inputs: Any) -> None:
        """A text is a sequence too, of characters: each would be taken for a row."""
        if isinstance(inputs, str | bytes):
            told = f"this is one {type(inputs).__name__}, not a list of rows"
            raise DataError([Fault("inputs", told, "put it in a list: predict([text])")])
        if self.model.embedding is not None and not isinstance(inputs, Sequences):
            for number, row in enumerate(inputs, 1):
                if not isinstance(row, str):
                    told = f"the model reads texts, but this is {type(row).__name__}"
                    raise DataError([Fault(f"inputs: row {number}", told, "give every row as str")])

    def _as_inputs(self, inputs: RowInputs | Sequence[Any]) -> RowInputs:
        if isinstance(inputs, Sequences):
            return inputs
        return tuple(inputs) if self.model.embedding is not None else Sequences.of(inputs)


def save_weights(location: str, model: SequenceClassifier) -> None:
    """Write a model's parameters as one safetensors file."""
    folder, name = location.rsplit("/", 1)
    Folder.at(folder).write(name, _to_safetensors(model))


def save_probabilities(location: str, probabilities: NDArray[np.float64]) -> None:
    """Write the probabilities (rows, labels) of held-out rows beside the weights at `location`."""
    folder, name = location.rsplit("/", 1)
    content = safetensors.numpy.save({"probabilities": probabilities})
    Folder.at(folder).write(held_out_name(name), content)


def held_out_name(weights: str) -> str:
    """Return where the probabilities of held-out rows stand that go with these weights."""
    return f"{weights.removesuffix('.safetensors')}-held-out.safetensors"


def read_probabilities(content: bytes) -> NDArray[np.float64]:
    """Read what `save_probabilities` wrote."""
    return safetensors.numpy.load(content)["probabilities"]


def restore_model(weights: bytes, configuration: Configuration, preparation: Preparation) -> SequenceClassifier:
    """Build the model that a configuration describes around weights from `save_weights`, ready to predict in float32."""
    tensors = safetensors.torch.load(weights)
    table = tensors.get("embedding.weight")
    model = make_model(
        configuration,
        tokens=None if table is None else len(table),
        channels=len(preparation.mean) if isinstance(preparation, Standardiser) else None,
        embedding_size=None if table is None else table.shape[1],
        labels=len(tensors["head.bias"]),
        precision="float32",
        seed=0,
    )
    model.load_state_dict(tensors)
    return model.eval()


def save_bundle(folder: Folder, bundle: Bundle) -> None:
    """Write a bundle, `bundle.json` last. A threshold that is never reached is written as null."""
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
        described = _read_described(folder)
    missing = [name for name in _FILES if not folder.exists(name)]
    if missing:
        raise _error(folder, f"{', '.join(missing)} not found", "give the champion/ folder of a finished run")
    with _faults_told(folder):
        return _assemble(folder, described)


def _read_described(folder: Folder) -> Mapping[str, Any]:
    """Read bundle.json. The format is looked at before all else: another one may have other files and other keys."""
    with _faults_told(folder):
        described: Mapping[str, Any] = json.loads(folder.read("bundle.json"))
        found = described["format"]
    if found != FORMAT:
        remedy = "load it with the version of tuner that wrote it"
        raise _error(folder, f"bundle format {found}, but this tuner reads {FORMAT}", remedy)
    return described


@contextmanager
def _faults_told(folder: Folder) -> Iterator[None]:
    try:
        yield
    except (
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        safetensors.SafetensorError,
        OSError,
        pa.ArrowException,
    ) as error:
        told = " ".join(str(error).split())[:_TOLD]  # PyTorch tells of one wrong shape in several lines
        what = f"the bundle cannot be read ({type(error).__name__}: {told})"
        raise _error(folder, what, "copy it again from its run") from error


def _assemble(folder: Folder, described: Mapping[str, Any]) -> Bundle:
    _check_keys("bundle.json", described, known=_KEYS, needed=_KEYS)
    _check_keys("record", described["record"], known=RECORD, needed=_NEEDED_RECORD)
    task, labels = described["task"], tuple(described["labels"])
    preparation = read_preparation(folder.read("preparation.json"))
    model = restore_model(folder.read("weights.safetensors"), described["configuration"], preparation)
    _check_columns(described["columns"], is_text=model.embedding is not None)
    thresholds = np.array([np.inf if value is None else value for value in described["thresholds"]], np.float64)
    fitting = {"multilabel": len(labels), "binary": 1, "multiclass": 0}
    counts = {
        "labels": (len(labels), model.head.out_features),
        "seen": (len(described["seen"]), len(labels)),
        "thresholds": (len(thresholds), fitting[task]),
    }
    if model.embedding is not None:
        known = len(preparation) if isinstance(preparation, Tokeniser) else 0
        counts["tokens"] = (known, model.embedding.num_embeddings)
    for name, (found, wanted) in counts.items():
        if found != wanted:
            raise ValueError(f"{found} {name}, but the rest of the bundle has {wanted}")
    return Bundle(
        task=task,
        labels=labels,
        seen=np.array(described["seen"], dtype=bool),
        thresholds=thresholds,
        configuration=described["configuration"],
        columns=described["columns"],
        record=described["record"],
        model=model,
        preparation=preparation,
    )


def _check_columns(columns: Mapping[str, Any], *, is_text: bool) -> None:
    """Raise ValueError unless one column of inputs is named, of the model's kind, and one kind of labels."""
    names = (*_INPUTS, *LABEL_FIELDS)
    _check_keys("columns", columns, known=names, needed=_INPUTS)
    inputs = [name for name in _INPUTS if columns[name] is not None]
    if inputs != [_INPUTS[0] if is_text else _INPUTS[1]]:
        raise ValueError(
            f"the columns are of {' and '.join(inputs) or 'no inputs'}, but the model reads a {_INPUTS[not is_text]}"
        )
    labels = [name for name in LABEL_FIELDS if columns.get(name) is not None]
    if len(labels) != 1:
        raise ValueError(f"the columns name {len(labels)} kinds of labels ({', '.join(labels)}), but need one")


def _check_keys(where: str, found: Mapping[str, Any], *, known: Sequence[str], needed: Sequence[str]) -> None:
    """Raise ValueError naming the keys that are missing or unknown."""
    missing = [name for name in needed if name not in found]
    unknown = sorted(set(found) - set(known))
    told = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(unknown)}, not known"] * bool(unknown)
    if told:
        raise ValueError(f"{where} is {' and '.join(told)}")


def _error(folder: Folder, what: str, remedy: str) -> BundleError:
    return BundleError([Fault(str(folder), what, remedy)])


def _to_safetensors(model: SequenceClassifier) -> bytes:
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    return safetensors.torch.save(tensors)
