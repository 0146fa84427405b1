"""Small data and whole configurations, for the tests that train."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# Read when torch is imported. On cores that others use too, a second thread makes small models several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from tuner.data.dataset import Dataset, Split
from tuner.space.options import PARAMETERS, Options
from tuner.space.sampler import Configuration
from tuner.space.settings import Task

Configure = Callable[..., Configuration]
MakeDataset = Callable[..., Dataset]

_SMALL = {"embedding": 8, "hidden": 6, "min_count": 1, "batch_size": 16, "precision": "float32", "max_length": 16}
_LABELS = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "multilabel": ("a", "b", "c")}
_WORD_OF_LABEL = ("alpha", "beta", "gamma")


@pytest.fixture(scope="session")
def configure() -> Configure:
    """Return a function that makes a configuration: every default but small, and what is given by keyword.

    An option's own parameters take their defaults; others are given as {"clipping.norm.threshold": 2.0}.
    """

    def make(own: dict[str, Any] | None = None, **chosen: Any) -> Configuration:
        configuration: dict[str, Any] = {}
        for name, parameter in PARAMETERS.items():
            value = chosen.get(name, _SMALL.get(name, parameter.default))
            configuration[name] = int(value) if getattr(parameter, "kind", "") == "int" else value
            if isinstance(parameter, Options):
                for inner, number in parameter.options[str(value)].parameters.items():
                    configuration[f"{name}.{value}.{inner}"] = number.default
        return configuration | (own or {})

    return make


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """Return a function that makes a data set whose labels are told by single words, the last label rare."""

    def make(task: Task, *, rows: int = 96, seed: int = 0) -> Dataset:
        generator = np.random.default_rng(seed)
        names = ("train", "validation", "test")
        splits = {name: _split(task, rows if name == "train" else rows // 2, name, generator) for name in names}
        seen = np.ones(len(_LABELS[task]), bool)
        return Dataset(task=task, labels=_LABELS[task], seen=seen, notes=(), fingerprints={}, **splits)

    return make


def _split(task: Task, rows: int, name: str, generator: np.random.Generator) -> Split:
    n_labels = len(_LABELS[task])
    shares = np.array([0.6, 0.3, 0.2]) if task == "multilabel" else np.array([0.7, 0.2, 0.1])[:n_labels]
    if task == "multilabel":
        targets = (generator.random((rows, n_labels)) < shares).astype(np.uint8)
        targets[:n_labels] = np.eye(n_labels, dtype=np.uint8)
        words = [[_WORD_OF_LABEL[label] for label in np.flatnonzero(row)] for row in targets]
    else:
        targets = generator.choice(n_labels, size=rows, p=shares / shares.sum())
        targets[:n_labels] = np.arange(n_labels)
        words = [[_WORD_OF_LABEL[label]] for label in targets]
    filler = [[f"w{number}" for number in generator.integers(0, 30, generator.integers(1, 9))] for _ in range(rows)]
    texts = tuple(" ".join(generator.permutation(own + more)) for own, more in zip(words, filler, strict=True))
    return Split(texts=texts, targets=targets, rows=np.arange(1, rows + 1), source=name)
