"""A bundle: one model's directory, with all that a prediction needs and no code.

weights.safetensors   parameters by name
preparation.json      how a row is read: the tokeniser with its vocabulary, or each channel's mean and scale
bundle.json           task, labels, thresholds, configuration and the record of how the model came about
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from tuner.errors import BundleError, Fault
from tuner.model.build import make_model, to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.scoring.f1 import Indicator
from tuner.scoring.thresholds import decide
from tuner.space.sampler import Configuration
from tuner.space.settings import Task
from tuner.storage import Folder
from tuner.training.loop import predict_logits

FORMAT = 2
_FILES = ("bundle.json", "preparation.json", "weights.safetensors")


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
        """Return the probability of every label, shape (rows, labels), columns in the order of `labels`."""
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
    missing = [name for name in _FILES if not folder.exists(name)]
    if missing:
        raise _error(folder, f"{', '.join(missing)} not found", "give the champion/ folder of a finished run")
    try:
        described = json.loads(folder.read("bundle.json"))
        if described["format"] != FORMAT:
            remedy = "load it with the version of tuner that wrote it"
            raise _error(folder, f"bundle format {described['format']}, but this tuner reads {FORMAT}", remedy)
        return _assemble(folder, described)
    except (
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        safetensors.SafetensorError,
        OSError,
        pa.ArrowException,
    ) as error:
        what = f"the bundle cannot be read ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise _error(folder, what, "copy it again from its run") from error


def _assemble(folder: Folder, described: Mapping[str, Any]) -> Bundle:
    task, labels = described["task"], tuple(described["labels"])
    preparation = read_preparation(folder.read("preparation.json"))
    model = restore_model(folder.read("weights.safetensors"), described["configuration"], preparation)
    thresholds = np.array([np.inf if value is None else value for value in described["thresholds"]], np.float64)
    fitting = {"multilabel": len(labels), "binary": 1, "multiclass": 0}
    counts = {
        "labels": (len(labels), model.head.out_features),
        "seen": (len(described["seen"]), len(labels)),
        "thresholds": (len(thresholds), fitting[task]),
    }
    for name, (found, wanted) in counts.items():
        if found != wanted:
            raise ValueError(f"bundle.json has {found} {name}, but the rest of the bundle has {wanted}")
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


def _error(folder: Folder, what: str, remedy: str) -> BundleError:
    return BundleError([Fault(str(folder), what, remedy)])


def _to_safetensors(model: SequenceClassifier) -> bytes:
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    return safetensors.torch.save(tensors)
