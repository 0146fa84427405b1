"""One command that begins, resumes or finds a run finished. The searches themselves are in tests/cluster."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from builders.fixtures import Call
from builders.searches import command
from tuner.errors import LedgerError
from tuner.ledger.lock import LOCK, STALE_AFTER_S, RunLock, is_held
from tuner.ledger.run_directory import Ledger, read_run
from tuner.search import repetition
from tuner.search.repetition import find_finished, overrides_to_resume, wait_for_others
from tuner.space.load import load_space
from tuner.storage import Folder

SPACE = """
task: multiclass
data: {train: rows.csv, text: text, label: label}
search: {trials: 4, max_epochs: 8}
space: {hidden: 8}
"""
ROWS = "text,label\na,b\n"


@pytest.fixture
def said() -> list[str]:
    """The messages to the person."""
    return []


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that records a run of SPACE, which lies in the working directory with its rows, and its end."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "space.yaml").write_text(SPACE)

    def make(status: str | None = None, **environment: Any) -> Path:
        given = {"space_text": SPACE, "space_given": load_space("space.yaml").given}
        digest = hashlib.sha256(ROWS.encode()).hexdigest()
        known = {"data": {"fingerprints": {f"{tmp_path}/rows.csv": digest}}}
        ledger = Ledger.create("runs/night", space=SPACE, environment={**given, **known, **environment})
        if status is None:
            ledger.release()
        else:
            ledger.finish({"status": status, "verdict": "beats_baselines", "seconds": 1.0})
        return Path("runs/night")

    return make


def test_a_finished_run_stays_as_it_is(recorded: Callable[..., Path], said: list[str]) -> None:
    location = recorded("finished")
    before = {path: path.read_bytes() for path in location.rglob("*") if path.is_file()}
    manifest = find_finished(load_space("space.yaml"), str(location), said.append)
    assert manifest is not None
    assert manifest["status"] == "finished"
    assert said == ["runs/night is finished, and nothing has changed"]
    assert before == {path: path.read_bytes() for path in location.rglob("*") if path.is_file()}


@pytest.mark.parametrize("status", [None, "interrupted", "failed"])
def test_a_run_that_has_not_finished_goes_on_with_what_has_changed_but_changes_no_result(
    status: str | None, recorded: Callable[..., Path], said: list[str]
) -> None:
    location = recorded(status)
    Path("moved.csv").write_text(ROWS)
    space = load_space("space.yaml", ["search.time=2h", "data.train=moved.csv", "resources.concurrent=1"])
    assert find_finished(space, str(location), said.append) is None
    assert overrides_to_resume(read_run(location), space) == [
        f"data.train={Path.cwd()}/moved.csv",
        "search.time=7200",
        "resources.concurrent=1",
    ]


@pytest.mark.parametrize("status", [None, "finished"])
def test_a_run_that_another_space_began_is_refused_with_every_difference(
    status: str | None, recorded: Callable[..., Path], said: list[str]
) -> None:
    run = read_run(recorded(status))
    with pytest.raises(LedgerError) as refused:
        overrides_to_resume(run, load_space("space.yaml", ["space.hidden=16", "data.validation=0.3"]))
    assert [str(fault) for fault in refused.value.faults] == [
        "runs/night: data.validation is 0.3, but the run of this name began with 0.15; "
        "choose another --name, or change it back",
        "runs/night: space.hidden is 16, but the run of this name began with 8; "
        "choose another --name, or change it back",
    ]


def test_a_finished_run_is_not_given_more_but_the_command_for_it_is_named(
    recorded: Callable[..., Path], said: list[str]
) -> None:
    location = recorded("finished")
    remedy = r"`tuner resume runs/night --set search\.trials=9` gives a finished run more; or choose another --name"
    with pytest.raises(LedgerError, match=rf"search\.trials is 9, but the run of this name began with 4; {remedy}"):
        find_finished(load_space("space.yaml", ["search.trials=9"]), str(location), said.append)


def test_the_rows_of_a_finished_run_may_have_moved_but_not_changed(
    recorded: Callable[..., Path], said: list[str]
) -> None:
    location = recorded("finished")
    Path("moved.csv").write_text(ROWS)
    moved = load_space("space.yaml", ["data.train=moved.csv"])
    assert find_finished(moved, str(location), said.append) is not None
    Path("moved.csv").write_text(f"{ROWS}c,d\n")
    with pytest.raises(LedgerError, match=r"data\.train is '.*moved\.csv', but the run of this name began with"):
        find_finished(moved, str(location), said.append)


def test_a_run_of_which_nobody_knows_the_space_goes_on_with_its_own(recorded: Callable[..., Path]) -> None:
    run = read_run(recorded(space_given="unknown: 1"))
    assert overrides_to_resume(run, load_space("space.yaml", ["space.hidden=16"])) == []


def test_a_run_that_another_process_works_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(repetition, "_LOOK_EVERY_S", 0.02)
    folder = Folder.at(tmp_path / "run")
    lock = RunLock(folder)
    lock.take()
    release = threading.Timer(0.1, lock.release)
    release.start()
    assert wait_for_others(folder, said.append)
    release.join()
    assert len(said) == 1
    assert "another process is at work on this run (process " in said[0]
    assert said[0].endswith("; waiting until it ends")
    assert not wait_for_others(folder, said.append)


def test_a_run_that_another_space_began_is_refused_without_waiting_for_its_end(
    recorded: Callable[..., Path], call: Call
) -> None:
    lock = RunLock(Folder.at(recorded()))
    lock.take()
    code, _, said = call("run", "space.yaml", "--name", "night", "--resume-or-start", "--set", "space.hidden=16")
    lock.release()
    assert code == 2
    assert "space.hidden is 16, but the run of this name began with 8" in said


def test_a_command_that_waits_can_be_stopped_and_leaves_the_other_process_alone(
    recorded: Callable[..., Path],
) -> None:
    location = recorded()
    lock = RunLock(Folder.at(location))
    lock.take()
    words = command("run", "space.yaml", "--name", "night", "--resume-or-start")
    waiting = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    while "waiting until it ends" not in (line := waiting.stderr.readline()):
        assert line
    waiting.terminate()
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert said.endswith("interrupted\n")
    assert is_held(Folder.at(location))
    lock.release()


def test_the_lease_of_a_killed_process_is_waited_out_and_its_end_is_named(tmp_path: Path, said: list[str]) -> None:
    folder = Folder(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "run")
    lease = {"process": 7, "host": "node-3", "since": "2026-11-28 21:00:00", "token": "a"}
    folder.write(LOCK, json.dumps({**lease, "renewed_at": time.time() - STALE_AFTER_S + 0.6}).encode())
    assert wait_for_others(folder, said.append)
    assert said[0].endswith(
        "(process 7 on node-3, since 2026-11-28 21:00:00); waiting until it ends, or 1 s from now if it no longer "
        "renews its lease"
    )
    RunLock(folder).take()


def test_the_command_finds_a_finished_run_although_its_cluster_is_gone(
    recorded: Callable[..., Path], call: Call
) -> None:
    recorded("finished")
    words = ("run", "space.yaml", "--name", "night", "--resume-or-start", "--address", "127.0.0.1:9")
    code, _, said = call(*words)
    assert code == 0
    assert "runs/night is finished, and nothing has changed" in said
    code, _, said = call(*words, "--set", "space.hidden=16")
    assert code == 2
    assert "space.hidden is 16, but the run of this name began with 8" in said


def test_the_command_needs_a_name(recorded: Callable[..., Path], call: Call) -> None:
    assert call("run", "space.yaml", "--resume-or-start") == (
        2,
        "",
        "error: --resume-or-start: the run has no name to find it by; add --name NAME\n",
    )


@pytest.mark.parametrize("lost", ["environment.json", "manifest.json"])
def test_a_damaged_run_is_refused_and_stays_as_it_is(lost: str, recorded: Callable[..., Path], call: Call) -> None:
    location = recorded("finished")
    (location / lost).write_text("{")
    if lost == "environment.json":
        (location / lost).unlink()
    before = sorted(location.rglob("*"))
    code, _, said = call("run", "space.yaml", "--name", "night", "--resume-or-start")
    assert code == 2
    assert f"runs/night/{lost}: " in said
    assert sorted(location.rglob("*")) == before
