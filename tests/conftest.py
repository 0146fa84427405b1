"""Small data and whole configurations, for the tests that train."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

# Read when torch is imported. On cores that others use too, a second thread makes small models several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from builders.fixtures import Call, Configure, MakeDataset, PrepareFor
from tuner.__main__ import main
from tuner.data.dataset import Dataset, Split
from tuner.data.sequences import Sequences
from tuner.data.trial_data import TrialData, prepare
from tuner.space.configuration import Configuration
from tuner.space.domains import Domain, Fixed, OptionChoice
from tuner.space.options import Need, Option, Options, Parameter, Text
from tuner.space.parameters import PARAMETERS
from tuner.space.settings import Inputs, Task

# A shell that begins this in the background lets it, and all that it begins, ignore Ctrl-C, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that does other things too must not fail a test.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")


_SMALL = {
    "embedding.random.size": 8,
    "embedding.word2vec.size": 8,
    "tokens.word.min_count": 1,
    "hidden": 6,
    "batch_size": 16,
    "precision": "float32",
    "max_length": 16,
}
_LABELS = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "multilabel": ("a", "b", "c")}
_WORD_OF_LABEL = ("alpha", "beta", "gamma")
_CHANNELS = 2


@pytest.fixture(scope="session")
def configure() -> Configure:
    """Return a function that makes a configuration: every default but small, and what is given by keyword.

    An option's own parameters take their defaults; others are given as {"clipping.norm.threshold": 2.0}.
    """

    def make(own: dict[str, Any] | None = None, *, inputs: Inputs = "text", **chosen: Any) -> Configuration:
        values = _SMALL | chosen | (own or {})
        configuration: dict[str, Any] = {}
        _fill(configuration, PARAMETERS[inputs], values, prefix="")
        return configuration | (own or {})

    return make


def _fill(
    configuration: dict[str, Any], parameters: Mapping[str, Parameter], values: Mapping[str, Any], *, prefix: str
) -> None:
    for name, parameter in parameters.items():
        path = f"{prefix}{name}"
        need: Need | None = getattr(parameter, "need", None)
        if need is not None and configuration[need.name] < need.least:
            continue
        if isinstance(parameter, Text) and path not in values:
            continue
        value = values.get(path, None if isinstance(parameter, Text) else parameter.default)
        configuration[path] = int(value) if getattr(parameter, "kind", "") == "int" else value
        if isinstance(parameter, Options):
            option: Option = parameter.options[str(value)]
            _fill(configuration, option.parameters, values, prefix=f"{path}.{value}.")


@pytest.fixture(scope="session")
def prepare_for() -> PrepareFor:
    """Return a function that prepares a data set for trials of one configuration."""

    def make(dataset: Dataset, configuration: Configuration) -> TrialData:
        return prepare(dataset, _fixed(PARAMETERS[dataset.inputs], configuration, prefix=""))

    return make


def _fixed(parameters: Mapping[str, Parameter], configuration: Configuration, *, prefix: str) -> dict[str, Domain]:
    """Domains of which every one has the configuration's value only."""
    domains: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        value = configuration.get(path := f"{prefix}{name}")
        if isinstance(parameter, Options):
            option = str(value)
            own = _fixed(parameter.options[option].parameters, configuration, prefix=f"{path}.{option}.")
            domains[name] = OptionChoice(((option, own),))
        elif value is not None:
            domains[name] = Fixed(value)
    return domains


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """Return a function that makes a data set whose labels are told by single words, or steps, the last label rare."""

    def make(task: Task, *, rows: int = 96, seed: int = 0, inputs: Inputs = "text", folds: int = 0) -> Dataset:
        generator = np.random.default_rng(seed)
        names = ("train", "validation", "test")
        splits = {name: _split(task, rows if name == "train" else rows // 2, name, generator) for name in names}
        if inputs == "sequence":
            splits = {name: replace(split, inputs=_as_sequences(split.inputs)) for name, split in splits.items()}
        if folds:
            splits["validation"] = splits["train"]
        seen = np.ones(len(_LABELS[task]), bool)
        numbers = np.arange(rows) % folds if folds else None
        return Dataset(task=task, labels=_LABELS[task], seen=seen, notes=(), fingerprints={}, folds=numbers, **splits)

    return make


def _as_sequences(texts: Any) -> Sequences:
    """A step a word: a telling word shows in one channel, every other word is noise in both."""
    generator = np.random.default_rng(1)
    rows = []
    for text in texts:
        steps = generator.normal(0, 0.3, (len(text.split()), _CHANNELS))
        for step, word in enumerate(text.split()):
            if word in _WORD_OF_LABEL:
                steps[step, 0] += 2 * (_WORD_OF_LABEL.index(word) + 1)
        rows.append(steps.astype(np.float32))
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Sequences(values=np.concatenate(rows), offsets=offsets)


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
    return Split(inputs=texts, targets=targets, rows=np.arange(1, rows + 1), source=name, blocks=np.arange(rows))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Call the command line in the folder of the test; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tuner", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run
