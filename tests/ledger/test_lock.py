"""The lock on a run's directory, between real processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from tuner.errors import Fault, LedgerError, StorageError
from tuner.ledger.lock import LOCK, RENEW_EVERY_S, STALE_AFTER_S, RunLock
from tuner.storage import Folder

HOLD = """
import sys
from collections.abc import Iterator
from tuner.ledger.lock import RunLock
from tuner.storage import Folder
lock = RunLock(Folder.at(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds tmp_path/run until its stdin is closed or it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_name_of_the_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LedgerError, match=rf"another process is at work on this run \(process {holder.pid} on "):
        RunLock(Folder.at(tmp_path / "run")).take()


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    lock = RunLock(Folder.at(tmp_path / "run"))
    lock.take()

    with pytest.raises(LedgerError, match="another process is at work"):
        RunLock(Folder.at(tmp_path / "run")).take()
    lock.release()


def test_a_lock_given_back_leaves_no_file_and_can_be_taken_again(tmp_path: Path) -> None:
    lock = RunLock(Folder.at(tmp_path / "run"))
    lock.take()
    lock.release()
    lock.release()

    assert list((tmp_path / "run").iterdir()) == []
    again = RunLock(Folder.at(tmp_path / "run"))
    again.take()
    again.release()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_a_remedy(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(
        StorageError, match=r"run/\.lock: cannot be locked \(.*\); choose a place whose file system has locks"
    ):
        RunLock(Folder.at(tmp_path / "run")).take()


def _object_store(tmp_path: Path) -> Folder:
    """A folder that `Folder` does not take for a local disk, like one in an object store."""
    return Folder(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "run")


def test_a_lease_keeps_others_out_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = RunLock(_object_store(tmp_path)), RunLock(_object_store(tmp_path))
    first.take()
    with pytest.raises(LedgerError, match="another process is at work on this run"):
        second.take()
    first.release()

    second.take()
    second.release()


def _age(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "run" / LOCK
    lease = json.loads(path.read_text())
    path.write_text(json.dumps({**lease, "renewed_at": lease["renewed_at"] - seconds}))


def test_a_lease_that_was_not_renewed_for_a_minute_has_expired(tmp_path: Path) -> None:
    first, second = RunLock(_object_store(tmp_path)), RunLock(_object_store(tmp_path))
    first.take()
    _age(tmp_path, STALE_AFTER_S + 1)
    second.take()

    first._renewed_at -= RENEW_EVERY_S + 1
    with pytest.raises(LedgerError, match="another process has taken this run's directory over"):
        first.renew()


def test_a_lease_is_renewed_while_nothing_is_written_and_not_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.ledger.lock.RENEW_EVERY_S", 0.01)
    monkeypatch.setattr("tuner.ledger.lock._SETTLE_S", 0.0)
    lock, path = RunLock(_object_store(tmp_path)), tmp_path / "run" / LOCK
    lock.take()
    begun = path.stat().st_mtime_ns
    assert any(path.stat().st_mtime_ns > begun or time.sleep(0.02) for _ in range(200))

    lock.release()
    time.sleep(0.1)
    assert not path.exists()


def test_a_process_that_lost_its_lease_leaves_that_of_the_next_holder(tmp_path: Path) -> None:
    first, second = RunLock(_object_store(tmp_path)), RunLock(_object_store(tmp_path))
    first.take()
    _age(tmp_path, STALE_AFTER_S + 1)
    second.take()
    first.release()
    with pytest.raises(LedgerError, match="another process is at work on this run"):
        first.take()


def test_a_store_that_does_not_answer_does_not_change_how_a_search_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise StorageError([Fault("s3://bucket", "cannot be read (no answer)", "check the network")])

    lock = RunLock(_object_store(tmp_path))
    lock.take()
    monkeypatch.setattr(Folder, "read", fail)
    lock.release()  # the error would come in place of the one that ended the search; the lease expires
