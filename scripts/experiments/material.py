"""The data of the experiments: sets of the comparison material, or the data that a space file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.material import shared
from experiments.remedies.catalogue import Tree
from experiments.spaces import fixed_part

FOLDS = 4  # if validation rows are carved, each seed judges on another fold
_SUBSET = 0x5355_4253  # keeps the draw of a subset apart from other uses of the seed


@dataclass(frozen=True, kw_only=True)
class ExperimentData:
    """One set: how to read it, how long a trial on it is, and the configuration that remedies change.

    `is_every_fold`: train one model per fold and score their mean, for sets so small that one fold says little.
    """

    name: str
    task: str
    data: Tree
    epochs: float
    base: Tree
    penalty_weight: float = 1.0
    is_every_fold: bool = False

    @property
    def inputs(self) -> str:
        """The kind of rows: "text" or "sequence"."""
        return "sequence" if self.data.get("sequence") else "text"


def find_material(name: str) -> ExperimentData:
    """Return the set of the comparison material, or the space file, with this name.

    Raises SkippedError if the comparison material is absent, and SpaceError if a space file cannot be used.
    """
    return SETS[name]() if name in SETS else _from_space(name)


def _from_space(name: str) -> ExperimentData:
    """Read data and budget from a space file. Parameters with one value form the base."""
    from tuner.space.load import load_space
    from tuner.space.parameters import PARAMETERS

    space = load_space(name)
    data = space.data.model_dump(exclude_unset=True)
    if isinstance(data.get("label_columns"), tuple):
        data["label_columns"] = list(data["label_columns"])
    for split in ("train", "validation", "test"):
        if isinstance(data.get(split), str) and Path(data[split]).is_file():
            data[split] = str(Path(data[split]).resolve())
    return ExperimentData(
        name=Path(name).stem,
        task=space.task,
        data=_with_folds(data),
        epochs=space.search.max_epochs,
        base=fixed_part(space.parameters, PARAMETERS["sequence" if data.get("sequence") else "text"]),
        penalty_weight=space.score.penalty_weight,
    )


def _with_folds(data: Mapping[str, Any]) -> dict[str, Any]:
    """Use folds instead of a validation split that would be carved from the training rows."""
    kept = dict(data)
    if not isinstance(kept.get("validation"), str) and kept.get("split_column") is None:
        kept.pop("validation", None)
        kept.setdefault("folds", FOLDS)
    return kept


def _nlupp() -> ExperimentData:
    return ExperimentData(
        name="nlupp",
        task="multilabel",
        data={
            "train": str(shared("data", "nlupp", "all.parquet")),
            "labels": "labels",
            "test": 0.2,
            "folds": FOLDS,
        },
        epochs=16,
        base={
            "tokens": {"word": {"min_count": 1}},
            "max_length": 32,
            "embedding": {"random": {"size": 200, "scale": 0.3}},
            "embedding_dropout": 0.3,
            "hidden": 128,
            "dropout": 0.3,
            "optimiser": "adam",
            "learning_rate": 0.02,
            "schedule": "cosine",
            "batch_size": 32,
            "loss_weights": "root",
        },
    )


def _japanesevowels() -> ExperimentData:
    return ExperimentData(
        name="uea_japanesevowels",
        task="multiclass",
        data={
            "train": str(shared("data", "uea_japanesevowels", "train.parquet")),
            "test": str(shared("data", "uea_japanesevowels", "test.parquet")),
            "sequence": "sequence",
            "label": "label",
            "folds": FOLDS,
        },
        epochs=15,
        base={"hidden": 64, "dropout": 0.3, "learning_rate": 0.01, "schedule": "cosine", "batch_size": 16},
        is_every_fold=True,
    )


def _goemotions() -> ExperimentData:
    return ExperimentData(
        name="goemotions",
        task="multilabel",
        data={
            "train": str(shared("data", "goemotions", "train.parquet")),
            "validation": str(shared("data", "goemotions", "validation.parquet")),
            "labels": "labels",
            "test": 0.125,
        },
        epochs=5,
        base={
            "embedding": {"random": {"size": 200, "scale": 0.3}},
            "embedding_dropout": 0.15,
            "hidden": 128,
            "dropout": 0.65,
            "optimiser": "adam",
            "learning_rate": 0.008,
            "loss_weights": "root",
        },
    )


def _davidson_hate() -> ExperimentData:
    return ExperimentData(
        name="davidson_hate",
        task="multiclass",
        data={
            "train": str(shared("data", "davidson_hate", "all.parquet")),
            "label": "label",
            "split_column": "suggested_split",
            "validation": None,
            "test": None,
        },
        epochs=4,
        base={
            "embedding": {"random": {"size": 128, "scale": 0.3}},
            "embedding_dropout": 0.15,
            "hidden": 64,
            "dropout": 0.5,
            "optimiser": "adam",
            "learning_rate": 0.004,
            "loss_weights": "root",
        },
    )


SETS: Mapping[str, Callable[[], ExperimentData]] = {
    "nlupp": _nlupp,
    "uea_japanesevowels": _japanesevowels,
    "goemotions": _goemotions,
    "davidson_hate": _davidson_hate,
}


def read_rows(material: ExperimentData, space: Any, *, seed: int, limit_rows: int | None) -> Any:
    """Return tuner's Dataset: the validation rows of this seed, and at most `limit_rows` training rows, drawn by the seed.

    A carved test split is the one that a search with seed 0 carves. None of its rows is in the other two splits.
    """
    from tuner.data.load import load_data

    dataset = load_data(space.data, space.task, seed=seed if isinstance(space.data.test, str) else 0)
    if dataset.folds is not None and not material.is_every_fold:
        fold = seed % (int(dataset.folds.max()) + 1)
        dataset = replace(
            dataset,
            train=dataset.train.take(np.flatnonzero(dataset.folds != fold)),
            validation=dataset.train.take(np.flatnonzero(dataset.folds == fold)),
            folds=None,
        )
    if limit_rows is not None and len(dataset.train) > limit_rows:
        chosen = _subset(dataset.train.targets, limit_rows, len(dataset.labels), seed)
        train = dataset.train.take(chosen)
        # With every fold the validation rows are the training rows.
        folds = {} if dataset.folds is None else {"validation": train, "folds": dataset.folds[chosen]}
        dataset = replace(dataset, train=train, **folds)
    targets = dataset.train.targets
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=len(dataset.labels))
    return replace(dataset, seen=counts > 0)


def _subset(targets: NDArray[np.integer[Any]], rows: int, n_labels: int, seed: int) -> NDArray[np.int64]:
    """Return the sorted positions of `rows` rows, or one or two fewer, that keep the shares of the labels."""
    from tuner.data.stratification import stratify

    n = len(targets)
    owners, codes = np.nonzero(targets) if targets.ndim == 2 else (np.arange(n), targets.astype(np.int64))
    part = stratify(owners, codes, np.arange(n), [rows / n], n_labels=n_labels, seed=seed ^ _SUBSET)
    chosen = np.random.default_rng((seed, _SUBSET)).permutation(np.flatnonzero(part == 1))
    return np.sort(chosen[:rows])
