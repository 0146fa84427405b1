"""Only one process at a time holds a run's directory, and a crash leaves no lock behind.

On a local or mounted disk, the kernel holds the lock (flock) and releases it when the process ends, for whatever reason.
Object stores have no locks, so there the holder writes a lease, and a thread renews it until the process ends. A lease that was
not renewed for a minute has expired. If two processes find an expired lease at the same moment, both write their own and wait.
The process that then reads back its own lease holds the directory.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import Fault, MissingFileError, RunHeld, StorageError
from tuner.storage import Folder, errors_named

LOCK = ".lock"
"""The name of the lock in the run's directory; it is not part of the ledger."""
RENEW_EVERY_S = 10.0
STALE_AFTER_S = 60.0
_MOST_READ = 4096
_READ_ATTEMPTS = 3
_REMEDY = "wait until it has ended, end it, or choose another --name"
_SETTLE_S = 1.0  # today's object stores show a write at once; the wait covers two writers at the same moment


class RunLock:
    """Holds a run's directory from `take` to `release`. On an object store, `renew` says whether it still does."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._file: int | None = None  # a bare descriptor: dropping this object does not release the lock
        self._token: str | None = None
        self._renewed_at = 0.0
        self._guard = threading.Lock()  # so that no lease is written after it was deleted
        self._released = threading.Event()

    def take(self) -> None:
        """Take the directory, and create it if needed. Raises StorageError, and RunHeld that names the holder."""
        if self._folder.is_local:
            self._take_file()
        else:
            self._take_lease()

    def renew(self) -> None:
        """Renew a lease that is ten seconds old or more. Raises RunHeld if another process has taken the directory."""
        with self._guard:
            if self._token is None or time.monotonic() - self._renewed_at < RENEW_EVERY_S:
                return
            holder = self._read_lease()
            if holder is None or holder.get("token") != self._token:
                raise _held(
                    self._folder, holder or {}, "another process has taken this run's directory over, or it was removed"
                )
            self._write_lease()

    def _keep_renewing(self, released: threading.Event) -> None:
        """Renew the lease while nothing is written for long, as when the search waits for nodes or for the baselines."""
        while not released.wait(RENEW_EVERY_S):
            try:
                self.renew()
            except StorageError:  # it may answer the next time
                continue
            except RunHeld:  # the next write finds out, too
                return

    def release(self) -> None:
        """Release the directory. Does nothing if it is not held. A lease that cannot be deleted expires by itself."""
        if self._file is not None:
            Path(self._folder.path, LOCK).unlink(missing_ok=True)
            os.close(self._file)  # the kernel releases the lock
            self._file = None
        if self._token is not None:
            self._released.set()
            with self._guard, suppress(StorageError):
                token, self._token = self._token, None
                holder = self._read_lease()
                if holder is not None and holder.get("token") == token:  # another process may have taken it over
                    self._folder.delete(LOCK)

    def _take_file(self) -> None:
        import fcntl  # missing on Windows, which Ray does not fully support either

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
            except OSError:  # a file system without locks
                os.close(file)
                with errors_named(str(path), "cannot be locked"):
                    raise
            if _is_still_at(path, file):
                self._file = file
            else:
                os.close(file)  # its holder released and deleted it after we opened it and before we locked it
        with errors_named(str(path), "cannot be written"):
            os.truncate(self._file, 0)
            os.write(self._file, json.dumps(_this_process()).encode())

    def _take_lease(self) -> None:
        holder = self._read_lease()
        left_s = STALE_AFTER_S - (time.time() - float((holder or {}).get("renewed_at", 0)))
        if holder is not None and left_s > 0:
            when = f"if that process was killed, try again in {math.ceil(left_s)} s; otherwise "
            raise _held(self._folder, holder, remedy=when + _REMEDY)
        self._token = uuid.uuid4().hex
        self._write_lease()
        time.sleep(_SETTLE_S)
        holder = self._read_lease()
        if holder is None or holder.get("token") != self._token:
            self._token = None
            raise _held(self._folder, holder or {})
        self._released = threading.Event()
        threading.Thread(target=self._keep_renewing, args=(self._released,), name="lease", daemon=True).start()

    def _read_lease(self) -> dict[str, Any] | None:
        try:
            for _ in range(_READ_ATTEMPTS):  # while it is renewed, a read may return only a part of it
                if holder := _parse(self._folder.read(LOCK).decode()):
                    return holder
        except MissingFileError:
            return None
        return {}

    def _write_lease(self) -> None:
        lease = {**_this_process(), "token": self._token, "renewed_at": time.time()}
        self._folder.write(LOCK, json.dumps(lease).encode())
        self._renewed_at = time.monotonic()


@dataclass(frozen=True)
class Holder:
    """The process that works on a run, in words, and how long its lease holds if it is not renewed; None without a lease."""

    name: str
    left_s: float | None


def is_held(folder: Folder) -> bool:
    """Return whether a process works on a run: its lock is held, or its lease is renewed. Takes nothing. Raises StorageError."""
    return find_holder(folder) is not None


def find_holder(folder: Folder) -> Holder | None:
    """Return the process that works on a run, None if there is none. Takes nothing. Raises StorageError."""
    if not folder.exists(LOCK):
        return None
    try:
        holder = _parse(folder.read(LOCK).decode(errors="replace"))
    except MissingFileError:  # released in the meantime
        return None
    if folder.is_local:
        is_there = not _is_dead(holder) and _is_locked(Path(folder.path, LOCK))
        return Holder(_name(holder), None) if is_there else None
    renewed_at = holder.get("renewed_at")
    left_s = renewed_at + STALE_AFTER_S - time.time() if isinstance(renewed_at, int | float) else 0.0
    return Holder(_name(holder), left_s) if left_s > 0 else None


def _is_dead(holder: dict[str, Any]) -> bool:
    """Return whether the holder was a process of this machine and has ended."""
    process = holder.get("process")
    if holder.get("host") != socket.gethostname() or not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it lives, and belongs to somebody else
        return False
    return False


def _is_locked(path: Path) -> bool:
    """Return whether the kernel holds the lock. A process that has just ended leaves the file, but not the lock."""
    import fcntl

    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def _is_still_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def _parse(text: str) -> dict[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}  # the holder is still writing it
    return holder if isinstance(holder, dict) else {}


def _held(
    folder: Folder,
    holder: dict[str, Any],
    what: str = "another process is at work on this run",
    remedy: str = _REMEDY,
) -> RunHeld:
    who = f" ({_name(holder)})" if "process" in holder else ""
    return RunHeld([Fault(str(folder), f"{what}{who}", remedy)])


def _name(holder: dict[str, Any]) -> str:
    known = {name: holder.get(name, "unknown") for name in ("process", "host", "since")}
    return "process {process} on {host}, since {since}".format(**known)
