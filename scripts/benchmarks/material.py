"""Comparison material, data, configurations and subprocesses that several benchmarks use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.row import SkippedError

if TYPE_CHECKING:
    from tuner.space.task import Inputs, Task

ROOT = Path(__file__).resolve().parents[2]


def shared(*parts: str) -> Path:
    """Return a file or folder of the comparison material: in $TUNER_SHARED, or in `shared` beside the repository."""
    folder = Path(os.environ.get("TUNER_SHARED") or ROOT.parent / "shared")
    path = folder.joinpath(*parts)
    if not path.exists():
        raise SkippedError(
            f"there is no {'/'.join(parts)} in the comparison material; put it in ../shared, or set TUNER_SHARED"
        )
    return path


def goemotions_overrides() -> list[str]:
    """Return `--set` values for the files of goemotions, and for the word vectors if $TUNER_VECTORS names a file."""
    folder = shared("data", "goemotions")
    files = [f"data.{split}={folder / f'{split}.parquet'}" for split in ("train", "validation")]
    vectors = os.environ.get("TUNER_VECTORS")
    if vectors is None:
        return files
    return [*files, "space.embedding=" + json.dumps({"file": {"path": str(Path(vectors).absolute())}})]


def goemotions_data(*, train_rows: int | None = None, validation_rows: int | None = None) -> Any:
    """Return the TrialData of `goemotions_dataset` with the default tokens."""
    from tuner.data.trial_data import prepare

    return prepare(goemotions_dataset(train_rows=train_rows, validation_rows=validation_rows), parameters())


def goemotions_dataset(*, train_rows: int | None = None, validation_rows: int | None = None) -> Any:
    """Return goemotions, cut to its first rows if a number is given. Its small test split is not used."""
    from tuner.data.load import load_data
    from tuner.space.settings import DataSettings

    folder = shared("data", "goemotions")
    settings = DataSettings(
        train=str(folder / "train.parquet"), validation=str(folder / "validation.parquet"), test=0.02, labels="labels"
    )
    dataset = load_data(settings, "multilabel", seed=0)
    return replace(
        dataset,
        train=_first_rows(dataset.train, train_rows),
        validation=_first_rows(dataset.validation, validation_rows),
    )


def configuration(*, task: Task = "multilabel", inputs: Inputs = "text", **chosen: Any) -> dict[str, Any]:
    """A configuration with these parameters and the defaults of all others; options are written as in a space."""
    from tuner.samplers.random import RandomSampler

    return dict(RandomSampler(parameters(task=task, inputs=inputs, **chosen), seed=0).ask(0))


def parameters(*, task: Task = "multilabel", inputs: Inputs = "text", **chosen: Any) -> Mapping[str, Any]:
    """Return the domains of a space with these parameters and the defaults of all others."""
    from tuner.space.domain_reading import Setting, read_domains
    from tuner.space.parameters import PARAMETERS

    def tell(key: Sequence[str | int], what: str, remedy: str) -> None:
        raise ValueError(f"{key}: {what}; {remedy}")

    return read_domains(chosen, PARAMETERS[inputs], ("space",), tell, Setting(task=task, inputs=inputs))


def run_tuner(*arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run the command line. Raises RuntimeError if the exit code is not 0."""
    command = [sys.executable, "-m", "tuner", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"tuner {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def listed(values: Mapping[str, float], form: str) -> str:
    """Return named figures in one line."""
    return ", ".join(f"{name} {value:{form}}" for name, value in values.items())


def _first_rows(split: Any, rows: int | None) -> Any:
    if rows is None:
        return split
    if len(split) < rows:
        raise SkippedError(f"the benchmark needs {rows} rows, but {split.source} has {len(split)}")
    return split.take(np.arange(rows))
