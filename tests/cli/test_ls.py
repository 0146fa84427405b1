"""`tuner ls`: the order of runs, times for people and for programs, live runs and broken ones."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builders.fixtures import Call
from builders.runs import write_run
from tuner.ledger.lock import LOCK, is_held
from tuner.ledger.run_directory import Ledger
from tuner.storage import Folder


def start(name: str, moment: str) -> Ledger:
    return Ledger.create(f"runs/{name}", space="task: binary\n", environment={"started_at": moment})


@pytest.fixture
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_utc")
def test_runs_are_listed_newest_first_with_times_that_people_read(call: Call) -> None:
    call("--version")  # changes to the folder of the test
    today = datetime.now(UTC).replace(hour=0, minute=3)
    start("a", "2024-11-28T14:03:00+00:00").finish({"status": "finished", "seconds": 12_345.6})
    start("b", today.isoformat()).finish({"status": "interrupted", "seconds": 75.2})
    start("c", "2025-01-02T10:00:00+00:00").finish({"status": "failed", "seconds": 700.0})
    code, out, _ = call("ls")
    assert code == 0
    header, *lines = out.splitlines()
    assert header.split()[-2:] == ["took", "started"]
    assert [line.split()[0] for line in lines] == ["b", "c", "a"]
    assert "75 s" in lines[0]
    assert lines[0].endswith("today 00:03")
    assert lines[1].endswith("12 min      2 Jan 2025")
    assert lines[2].endswith("3 h 26 min  28 Nov 2024")
    rows = json.loads(call("ls", "--format", "json")[1])
    assert (rows[2]["seconds"], rows[2]["started_at"]) == (12_345.6, "2024-11-28T14:03:00+00:00")
    (first, *_) = csv.DictReader(io.StringIO(call("ls", "--format", "csv")[1]))
    assert (first["name"], first["seconds"]) == ("b", "75.2")


def test_a_run_is_running_while_a_process_works_on_it(call: Call, tmp_path: Path) -> None:
    call("--version")
    code = "import sys, time; from tuner.ledger.run_directory import Ledger\n"
    code += (
        "Ledger.create('runs/live', space='task: binary', environment={})\nprint('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        folder = Folder.at("runs/live")
        before = Path("runs/live", LOCK).read_bytes()
        assert json.loads(call("ls", "--format", "json")[1])[0]["status"] == "running"
        assert "a process is at work on this run" in call("show", "live")[2]
        assert Path("runs/live", LOCK).read_bytes() == before
        process.kill()
        process.wait()
    assert folder.exists(LOCK)
    assert not is_held(folder)
    assert json.loads(call("ls", "--format", "json")[1])[0]["status"] == "unfinished"
    assert "the run was cut off; resume it with" in call("show", "live")[2]


def test_a_lock_without_a_holder_or_with_an_odd_one_is_not_held(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    assert not is_held(folder)
    for content in (b"", b"\xff", b"[]", b'{"process": -1}', b'{"process": "x", "host": 3}', b'{"process": 1e99}'):
        (tmp_path / LOCK).write_bytes(content)
        assert not is_held(folder)


def test_broken_runs_are_listed_last_with_a_reason(call: Call, tmp_path: Path) -> None:
    call("--version")
    for name, file in (("one", "environment.json"), ("two", "champion.json")):
        run = write_run(tmp_path / "runs", trials=4)
        run.rename(run.with_name(name))
        (run.with_name(name) / file).write_text("{")
    whole = write_run(tmp_path / "runs", trials=4)
    (tmp_path / "runs" / "one" / "environment.json").unlink()
    code, out, err = call("ls")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        [whole.name, "finished"],
        ["one", "unreadable"],
        ["two", "unreadable"],
    ]
    assert "one/environment.json: the file is missing" in err
    assert "two/champion.json: not valid JSON" in err


def test_a_folder_in_place_of_a_file_of_a_run_hides_no_other_run(call: Call, tmp_path: Path) -> None:
    call("--version")
    run = write_run(tmp_path / "runs", trials=4)
    run.rename(run.with_name("one"))
    (run.with_name("one") / "data.json").unlink()
    (run.with_name("one") / "data.json").mkdir()
    whole = write_run(tmp_path / "runs", trials=4)
    code, out, err = call("ls")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[whole.name, "finished"], ["one", "unreadable"]]
    assert "one/data.json: cannot be read" in err
