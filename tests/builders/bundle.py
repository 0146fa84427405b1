"""Small real bundles, made without a search, and functions that damage them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tuner.baselines.linear import fit_linear
from tuner.bundle.members import LinearMember, LstmMember, Member, share_preparations
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.sequences import Standardiser
from tuner.model.build import make_model
from tuner.space.configuration import Configuration
from tuner.storage import Folder

Spoil = Callable[[Path], object]
_VECTOR_SIZE = 8


def write_bundle(folder: Path, configuration: Configuration, dataset: Dataset) -> Path:
    """Write the bundle of an untrained model; return its folder."""
    save_bundle(Folder.at(folder), make_bundle(dataset, [configuration]))
    return folder


def make_bundle(
    dataset: Dataset, configurations: Sequence[Configuration], *, weights: Sequence[int] = (), has_linear: bool = False
) -> Bundle:
    """Make a committee of untrained networks, and of a trained linear model if it has one. Without `weights`, all are 1."""
    members: list[Member] = [make_member(each, dataset, seed=seed) for seed, each in enumerate(configurations)]
    if has_linear:
        members.append(
            LinearMember(1, "linear", fit_linear(dataset.train.inputs, dataset.truth("train"), dataset.task))
        )
    weighted = [replace(member, weight=weight) for member, weight in zip(members, weights, strict=bool(weights))]
    thresholds = {"binary": 1, "multiclass": 0, "multilabel": len(dataset.labels)}[dataset.task]
    return Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=np.full(thresholds, 0.5),
        columns={"text": None, "sequence": None, "label": "label", "labels": None, "label_columns": None}
        | {dataset.inputs: dataset.inputs},
        record={"run": "runs/x", "penalty_weight": 1.0},
        members=share_preparations(weighted or members),
    )


def make_member(
    configuration: Configuration, dataset: Dataset, *, seed: int = 0, tokens: int | None = None
) -> LstmMember:
    """Make an untrained network with weight 1. `tokens` is the size of its vocabulary, by default all tokens."""
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    if tokens is not None:
        preparation = preparation.cut(tokens)
    is_text = not isinstance(preparation, Standardiser)
    vectors = np.random.default_rng(seed).normal(scale=0.1, size=(len(preparation), _VECTOR_SIZE)) if is_text else None
    model = make_model(
        configuration,
        tokens=len(preparation) if is_text else None,
        channels=None if is_text else len(preparation.mean),
        embedding=None if vectors is None else vectors.astype(np.float32),
        labels=len(dataset.labels),
        precision="float32",
        seed=seed,
    )
    return LstmMember(1, seed, configuration, model, preparation)


CONFIGURATION = ("members", 0, "configuration")
"""Keys of the configuration of a bundle's leading member, for `in_json`."""


def in_json(name: str, *keys: str | int, to: Any) -> Spoil:
    """Return a function that sets the value at `keys` in a JSON file of a bundle; NaN and infinities are written as in Python."""

    def spoil(folder: Path) -> None:
        described = json.loads((folder / name).read_text())
        place = described
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        (folder / name).write_text(json.dumps(described))

    return spoil


def in_weights(change: Callable[[dict[str, Any]], Any], *, member: int = 0) -> Spoil:
    """Return a function that changes the dictionary of a member's weights in place."""

    def spoil(folder: Path) -> None:
        path, prefix = folder / "weights.safetensors", f"{member}."
        tensors = safetensors.numpy.load_file(path)
        own = {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}
        change(own)
        safetensors.numpy.save_file(tensors | {prefix + name: values for name, values in own.items()}, path)

    return spoil


def weights_header(described: Any, *, length: int | None = None) -> Spoil:
    """Return a function that writes weights with only a header; the file may claim another length for it."""
    header = described if isinstance(described, bytes) else json.dumps(described).encode()
    claimed = len(header) if length is None else length

    def spoil(folder: Path) -> None:
        (folder / "weights.safetensors").write_bytes(claimed.to_bytes(8, "little") + header)

    return spoil
