"""Small real bundles, made without a search, and functions that damage them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tuner.bundle.members import LstmMember
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.sequences import Standardiser
from tuner.model.build import make_model
from tuner.space.configuration import Configuration
from tuner.storage import Folder

Spoil = Callable[[Path], None]
_VECTOR_SIZE = 8


def write_bundle(folder: Path, configuration: Configuration, dataset: Dataset) -> Path:
    """Write the bundle of an untrained model; return its folder."""
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    is_text = not isinstance(preparation, Standardiser)
    vectors = np.random.default_rng(0).normal(scale=0.1, size=(len(preparation), _VECTOR_SIZE)) if is_text else None
    model = make_model(
        configuration,
        tokens=len(preparation) if is_text else None,
        channels=None if is_text else len(preparation.mean),
        embedding=None if vectors is None else vectors.astype(np.float32),
        labels=len(dataset.labels),
        precision="float32",
        seed=0,
    )
    thresholds = {"binary": 1, "multiclass": 0, "multilabel": len(dataset.labels)}[dataset.task]
    bundle = Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=np.full(thresholds, 0.5),
        columns={"text": None, "sequence": None, "label": "label", "labels": None, "label_columns": None}
        | {dataset.inputs: dataset.inputs},
        record={"run": "runs/x", "penalty_weight": 1.0},
        members=(LstmMember(1, None, configuration, model, preparation),),
    )
    save_bundle(Folder.at(folder), bundle)
    return folder


def in_json(name: str, *keys: str, to: Any) -> Spoil:
    """Return a function that sets the value at `keys` in a JSON file of a bundle; NaN and infinities are written as in Python."""

    def spoil(folder: Path) -> None:
        described = json.loads((folder / name).read_text())
        place = described
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        (folder / name).write_text(json.dumps(described))

    return spoil


def in_weights(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Return a function that changes the dictionary of a bundle's weights in place."""

    def spoil(folder: Path) -> None:
        path = folder / "weights.safetensors"
        tensors = safetensors.numpy.load_file(path)
        change(tensors)
        safetensors.numpy.save_file(tensors, path)

    return spoil


def weights_header(described: Any, *, length: int | None = None) -> Spoil:
    """Return a function that writes weights with only a header; the file may claim another length for it."""
    header = described if isinstance(described, bytes) else json.dumps(described).encode()
    claimed = len(header) if length is None else length

    def spoil(folder: Path) -> None:
        (folder / "weights.safetensors").write_bytes(claimed.to_bytes(8, "little") + header)

    return spoil
