"""What the faults of `scripts/bench faults` taught us, each at the smallest size. Nothing here starts Ray."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from builders.ray_trials import step_on
from tuner.errors import StorageError
from tuner.ledger.rows import read_recorded_run
from tuner.ledger.run_directory import Ledger, read_measurements, read_run
from tuner.ray_backend.worker import TrialOnWorker, check_run_exists, write_with_retries
from tuner.storage import Folder
from tuner.trial.order import Order, TrialSettings

SPACE = "task: binary"


def make_run(folder: Path, *endings: str | None) -> Path:
    """A run with one search trial per ending."""
    ledger = Ledger.create(folder / "run", space=SPACE, environment={})
    for number, ending in enumerate(endings):
        row = {"trial": number, "phase": "search", "seed": 0, "configuration": json.dumps({}), "ending": ending}
        ledger.add("trials", {**row, "reason": "no torch", "starts": 1, "started_s": 0.0})
    ledger.flush()
    return folder / "run"


@pytest.mark.parametrize(
    ("endings", "open_trials"),
    [(("failed", "failed", None), {0, 1, 2}), (("failed", "stopped", None), {2}), (("completed", "failed"), set())],
)
def test_failed_trials_are_tried_again_only_if_no_other_ended(
    endings: tuple[str | None, ...], open_trials: set[int], tmp_path: Path
) -> None:
    run = make_run(tmp_path, *endings)
    past = read_recorded_run(read_run(run), read_measurements(run))
    assert {trial.index for trial in past.trials if trial.ending is None} == open_trials


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger: ledger.write_json("data", {}),
        lambda ledger: ledger.write_table("predictions/test", pa.table({"row": [1]})),
        lambda ledger: check_run_exists(f"{ledger.address}/finalists/trial-3.safetensors"),
    ],
    ids=["the driver", "its tables", "a worker"],
)
def test_nothing_is_created_where_a_moved_run_was(write: Callable[[Ledger], None], tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "run", space=SPACE, environment={})
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="the run's directory is no longer there; move it back"):
        write(ledger)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("failures", "tries"), [(0, 1), (1, 2), (3, 3)])
def test_a_necessary_write_is_tried_three_times(
    failures: int, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.ray_backend.worker.time.sleep", lambda seconds: None)
    (tmp_path / "file").touch()
    done: list[bool] = []

    def write() -> None:
        done.append(len(done) >= failures)
        if not done[-1]:
            Folder.at(tmp_path / "file").write("weights", b"")  # a file is where a folder must be

    with suppress(StorageError) if failures < 3 else pytest.raises(StorageError, match="cannot be written"):
        write_with_retries(write)
    assert (len(done), done[-1]) == (tries, failures < 3)


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "the file holds no complete training state"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
    ids=["cut short", "not to be read"],
)
def test_a_trial_with_a_useless_checkpoint_starts_anew_and_says_so(
    spoil: Callable[[Path], object], note: str, tmp_path: Path, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    configuration = configure()
    settings = TrialSettings(max_epochs=2, reports_per_epoch=2, penalty_weight=1.0, rungs=(48,))
    data = prepare_for(make_dataset("multiclass"), configuration)
    run = make_run(tmp_path, None)
    order = Order(0, "search", configuration, seed=1, checkpoint=f"{run}/checkpoints/trial-0.safetensors")

    def begin() -> TrialOnWorker:
        worker = TrialOnWorker.__new__(TrialOnWorker)  # without Ray's wrapper
        worker.setup({"order": asdict(order)}, data, settings)
        return worker

    first = begin()
    reported = [step_on(first) for _ in range(2)]
    assert step_on(begin())["examples"] == 96  # it continues from its checkpoint at half an epoch
    spoil(run / "checkpoints" / "trial-0.safetensors")
    anew = step_on(begin())
    assert anew["examples"] == reported[0]["examples"] == 48
    assert "it starts again from the beginning because its checkpoint cannot be used" in anew["note"]
    assert note in anew["note"]


def test_the_driver_runs_without_pytorch() -> None:
    code = "import sys, tuner.search.run, tuner.cli.progress; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ABORTING_WORKER = """\
import signal
from dataclasses import asdict
from tuner.ray_backend.worker import TrialOnWorker
from tuner.trial.order import Order, TrialSettings

signal.signal(signal.SIGABRT, lambda *_: None)  # Ray has such a handler
settings = TrialSettings(max_epochs=1, reports_per_epoch=1, penalty_weight=1.0)
TrialOnWorker.__new__(TrialOnWorker).setup({"order": asdict(Order(0, "search", {}, seed=1))}, None, settings)
signal.raise_signal(signal.SIGABRT)
"""


def test_a_worker_that_aborts_dies_without_a_handler_that_needs_memory() -> None:
    done = subprocess.run([sys.executable, "-c", ABORTING_WORKER], capture_output=True, check=False)
    assert done.returncode == -signal.SIGABRT
