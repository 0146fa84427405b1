"""What a worker does when its device is broken, and when its node will stop soon. No Ray is started here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from builders.ray_trials import step_on
from tuner.ledger.run_directory import Ledger
from tuner.ray_backend import worker
from tuner.ray_backend.worker import TrialOnWorker, WorkerFailure
from tuner.trial.order import Order, TrialSettings

SETTINGS = TrialSettings(max_epochs=2, reports_per_epoch=1, penalty_weight=1.0)
Begin = Callable[..., TrialOnWorker]


@pytest.fixture
def begin(configure: Any, make_dataset: Any, prepare_for: Any) -> Begin:
    """Return a function that starts a worker without Ray."""
    configuration = configure()
    data = prepare_for(make_dataset("multiclass"), configuration)

    def start(settings: TrialSettings = SETTINGS, **order: Any) -> TrialOnWorker:
        begun: TrialOnWorker = TrialOnWorker.__new__(TrialOnWorker)
        begun.setup({"order": asdict(Order(0, "search", configuration, seed=1, **order))}, data, settings)
        return begun

    return start


def test_a_worker_whose_device_is_broken_ends_and_another_one_tries_the_trial(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[bool] = []
    monkeypatch.setattr(worker, "_exit_soon", lambda: ends.append(True))
    broken = begin(replace(SETTINGS, device="cuda"))  # this PyTorch has no CUDA, as on a node with the wrong one
    with pytest.raises(WorkerFailure, match=r"^AssertionError: Torch not compiled with CUDA enabled"):
        broken.step()
    assert ends == [True]


def test_on_the_only_node_any_other_error_ends_the_trial_and_the_worker_stays(begin: Begin) -> None:
    result = begin(replace(SETTINGS, device="moon")).step()
    assert result["failure"].startswith("RuntimeError: Expected one of cpu, cuda")


def test_a_trial_whose_node_will_stop_writes_a_checkpoint_before_it_trains_on(begin: Begin, tmp_path: Path) -> None:
    Ledger.create(tmp_path / "run", space="", environment={}).release()
    place = tmp_path / "run" / "checkpoints" / "trial-0.safetensors"
    leaving = begin(replace(SETTINGS, pause_s=0.0), checkpoint=str(place))
    leaving.write_checkpoint_soon()  # it has nothing to keep yet
    leaving.step()
    assert not place.exists()
    leaving.write_checkpoint_soon()
    leaving.step()
    assert place.exists()
    assert step_on(begin(checkpoint=str(place)))["score"] == step_on(begin())["score"]
