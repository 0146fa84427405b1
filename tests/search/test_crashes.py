"""A crash between two writes, and what a resumed run makes of the result."""

from __future__ import annotations

import inspect
import json
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController

from builders.ledgers import create, trial_row
from builders.processes import SPACE, Driver, measurement_of
from builders.ray_trials import StubTrial
from tuner.errors import LedgerError
from tuner.ledger.run_directory import Ledger, read_run, refuse_existing
from tuner.ray_backend.trials import RETRIES, QueueCallback
from tuner.storage import Folder


def test_a_trial_has_no_ending_on_disk_before_its_measurements(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    (tmp_path / "run" / "reports").touch()  # a file in place of the folder, so no measurement can be written
    ledger.add("trials", trial_row(0))
    ledger.add("reports", {"trial": 0, "start": 1, "examples": 10})
    ledger.add("trials", trial_row(0, "completed"))
    ledger.flush()
    assert [row["ending"] for row in read_run(tmp_path / "run").trials] == [None]


def test_a_trial_that_a_rung_stopped_is_stopped_there_again(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    first = Driver(tmp_path / "run", is_first=True, events=None)
    good, poor = first.queue.next_order(), first.queue.next_order()
    assert good is not None
    assert poor is not None
    measurements = [replace(measurement_of(good, 1), score=score, constant_penalty=0.0, diverged_at_step=None, skill=0.3, auc=0.9,
                       logit_spread=1.0) for score in (0.9, 0.1)]  # fmt: skip
    for order, measurement in zip((good, poor), measurements, strict=True):
        first.queue.started(order)
        first.queue.measured(order, measurement, is_to_be_kept=True)
    first.die()  # between the measurement and the rung's decision

    second = Driver(tmp_path / "run", is_first=False, events=None)
    result = {"score": measurements[1].score, "measurement": json.dumps(asdict(measurements[1]))}
    assert second.scheduler.on_trial_result(None, StubTrial(poor), result) == "STOP"
    second.ledger.flush()
    second.die()
    assert [row["ending"] for row in read_run(tmp_path / "run").trials] == [None, "stopped"]


def test_resuming_deletes_the_half_written_files_of_a_killed_process(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0))
    ledger.flush()
    ledger.release()
    drafts = [tmp_path / "run" / "trials" / "part-000002.parquet.0123abcd.draft", tmp_path / "run" / "x.json.ab.draft"]
    for draft in drafts:
        draft.write_text("half")
    again = Ledger.reopen(tmp_path / "run")
    again.go_on(space="", environment={})
    assert not any(draft.exists() for draft in drafts)
    drafts[0].write_text("half")
    again.finish({"status": "finished"})
    assert not drafts[0].exists()


def test_a_run_without_its_space_file_reads_the_space_from_its_environment(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "run", space="task: binary", environment={"space_text": "task: binary"}).release()
    (tmp_path / "run" / "space.yaml").unlink()
    assert read_run(tmp_path / "run").space == "task: binary"


def test_a_name_in_use_is_refused_naming_the_process_that_uses_it(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    with pytest.raises(LedgerError, match=rf"another process is at work on this run \(process {os.getpid()} on "):
        refuse_existing(Folder.at(tmp_path / "run"))
    ledger.release()
    with pytest.raises(LedgerError, match="there is a run of this name already"):
        refuse_existing(Folder.at(tmp_path / "run"))


class GivenUp(StubTrial):
    """The parts of Ray's trial that are read after Ray gives it up."""

    def get_error(self) -> None:
        return None


class StubController:
    """The parts of Ray's controller that the scheduler reads after Ray gives up a trial that had not started."""

    def __init__(self) -> None:
        self._resetting_trials: set[Any] = set()
        self.waiting: list[Any] = []

    def _requeue_trial(self, trial: Any) -> None:
        self.waiting.append(trial)


def test_rays_controller_has_the_attributes_for_trying_a_trial_again() -> None:
    assert callable(TuneController._requeue_trial)
    assert "_resetting_trials" in inspect.getsource(TuneController.__init__)


@pytest.mark.parametrize(("failures", "is_tried"), [(2, True), (RETRIES + 1, False)])
def test_a_trial_whose_worker_died_before_its_start_is_tried_again(
    tmp_path: Path, failures: int, is_tried: bool
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    process = Driver(tmp_path / "run", is_first=True, events=None)
    order = process.queue.next_order()
    assert order is not None
    trial = GivenUp(order, failures=failures)
    controller = StubController()
    controller._resetting_trials.add(trial)
    process.scheduler.on_trial_error(controller, trial)
    QueueCallback(process.queue, threading.Event(), process.scheduler).on_trial_error(1, [trial], trial)
    assert (controller.waiting == [trial]) is is_tried
    assert (trial in controller._resetting_trials) is not is_tried
    assert process.queue.has_ended(order) is not is_tried
