"""A run's directory is one process's at a time, and a crash leaves no lock behind.

On a local disk, or one that is mounted like it, the kernel holds the lock (flock) and gives it back when the process ends,
however it ends. Object stores know no locks: there a lease is written and renewed, and one that was not renewed for a minute
is nobody's. Two processes that find an old lease in the same moment write both, wait, and the one that reads its own back
has it.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from tuner.errors import Fault, LedgerError
from tuner.storage import Folder, errors_named

LOCK = ".lock"  # in the run's directory; no part of the ledger
RENEW_EVERY_S = 10.0
STALE_AFTER_S = 60.0
_MOST_READ = 4096
_SETTLE_S = 1.0  # object stores of today show a write at once; this is for two writers at the same time


class RunLock:
    """Holds a run's directory from `take` to `give_back`. On an object store `renew` has to be called now and then."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._file: int | None = None  # a descriptor: whoever forgets it keeps the lock, as long as the process lives
        self._token: str | None = None
        self._renewed_at = 0.0

    def take(self) -> None:
        """Take the directory, which is made if it is not there. Raises LedgerError naming who holds it, and StorageError."""
        if self._folder.is_local:
            self._take_file()
        else:
            self._take_lease()

    def renew(self) -> None:
        """Renew a lease that is ten seconds old or more. Raises LedgerError if somebody else has taken the directory."""
        if self._token is None or time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        holder = self._read_lease()
        if holder is not None and holder.get("token") != self._token:
            raise _held(self._folder, holder, "another process has taken this run's directory over")
        self._write_lease()

    def give_back(self) -> None:
        """Let the next one have it. Does nothing if it is not held."""
        if self._file is not None:
            Path(self._folder.path, LOCK).unlink(missing_ok=True)
            os.close(self._file)  # the kernel takes the lock off
            self._file = None
        if self._token is not None:
            self._token = None
            self._folder.delete(LOCK)

    def _take_file(self) -> None:
        import fcntl  # not on Windows, which Ray does not fully support either

        path = Path(self._folder.path, LOCK)
        while self._file is None:
            with errors_named(str(path), "cannot be written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _parse(os.read(file, _MOST_READ).decode())
                os.close(file)
                raise _held(self._folder, holder) from None
            if _is_still_at(path, file):
                self._file = file
            else:
                os.close(file)  # its holder gave it back, and deleted it, between our opening and locking it
        os.truncate(self._file, 0)
        os.write(self._file, json.dumps(_myself()).encode())

    def _take_lease(self) -> None:
        holder = self._read_lease()
        if holder is not None and time.time() - float(holder.get("renewed_at", 0)) < STALE_AFTER_S:
            raise _held(self._folder, holder)
        self._token = uuid.uuid4().hex
        self._write_lease()
        time.sleep(_SETTLE_S)
        holder = self._read_lease()
        if holder is None or holder.get("token") != self._token:
            self._token = None
            raise _held(self._folder, holder or {})

    def _read_lease(self) -> dict[str, Any] | None:
        return _parse(self._folder.read(LOCK).decode()) if self._folder.exists(LOCK) else None

    def _write_lease(self) -> None:
        lease = {**_myself(), "token": self._token, "renewed_at": time.time()}
        self._folder.write(LOCK, json.dumps(lease).encode())
        self._renewed_at = time.monotonic()


def _is_still_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _myself() -> dict[str, Any]:
    return {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}  # its holder is only just writing it
    return found if isinstance(found, dict) else {}


def _held(folder: Folder, holder: dict[str, Any], what: str = "another process is at work on this run") -> LedgerError:
    who = f" (process {holder['process']} on {holder['host']}, since {holder['since']})" if "process" in holder else ""
    remedy = "wait until it has ended, end it, or choose another --name"
    return LedgerError([Fault(str(folder), f"{what}{who}", remedy)])
