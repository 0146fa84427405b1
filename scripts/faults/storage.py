"""The disk of a run directory is full, read-only, or gone for a while."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from faults.search import Ended, FaultOutcome, NotAsAskedError, SearchProcess, compare, require, searching

_MOST_S = 30.0  # three failures in a row, a second apart, and the end of Ray's trials, on a loaded machine
_MOMENT_S = 0.8  # shorter than the second after which a write is tried again
_DISK_MB = 8
_SHORT = ("search.trials=200", "search.finalists=1", "resources.concurrent=2")
_RESUMED = ("search.trials=4",)
"""A search that runs for as long as it takes to disturb it, and ends soon after it is resumed."""


class NoDiskError(NotAsAskedError):
    """This machine does not let this user make a disk for a test."""


def disk_full(folder: Path, *, seed: int) -> FaultOutcome:
    """Fill the disk of the run. Make room, and resume."""
    with disk(folder / "runs"), searching(folder) as search:
        return _stops_and_goes_on("disk full", search, lambda: full_disk(folder / "runs"), "No space left", seed=seed)


def unwritable(folder: Path, *, seed: int) -> FaultOutcome:
    """Make the run directory read-only. Make it writable again, and resume."""
    with searching(folder) as search:
        return _stops_and_goes_on("storage unwritable", search, lambda: read_only(search.location), "", seed=seed)


def gone(folder: Path, *, seed: int) -> FaultOutcome:
    """Move the run directory away. Bring it back, and resume."""
    with searching(folder) as search:
        return _stops_and_goes_on(
            "storage gone", search, lambda: moved_away(search.location), "no longer there", seed=seed
        )


def gone_for_a_moment(folder: Path, *, seed: int) -> FaultOutcome:
    """Move the run directory away and back within two seconds: the search continues."""
    with searching(folder) as search:
        search.run("search.trials=8", f"search.seed={seed}", "resources.concurrent=2")
        search.wait_until(lambda: _is_under_way(search))
        before = search.finished()
        with moved_away(search.location):
            time.sleep(_MOMENT_S)
        search.finish_well()
        lost, repeated = compare(before, search.trials())
        require(not search.faults(), str(search.faults()))
        require(not search.litter(), str(search.litter()))
    return FaultOutcome(fault="storage gone for a moment", times=1, lost=lost, repeated=repeated)


def full_for_workers(folder: Path, *, seed: int) -> FaultOutcome:
    """Leave room for rows of the ledger, but not for a checkpoint or a finalist's weights."""
    with disk(folder / "runs"), searching(folder) as search:
        large = (
            "search.trials=2",
            "search.finalists=1",
            "space.hidden=128",
            "search.max_epochs=2",
            "resources.concurrent=2",
        )
        search.run(*large, f"search.seed={seed}")
        search.wait_until(search.has_begun)
        with full_disk(folder / "runs", leave_kb=400):
            ended = search.finish()
            require(ended.code == 1, f"ends with 1, not {ended.code}: {ended.stderr[-2000:]}")
            require("checkpoint cannot be written" in ended.stderr, f"the message says what is missing: {ended.stderr}")
            require(
                "No space left" in ended.stderr.splitlines()[-2],
                f"the message says why there is no champion: {ended.stderr}",
            )
            _is_readable(search)
        before = search.finished()
        search.resume()
        search.finish_well()
        lost, repeated = compare({n: row for n, row in before.items() if row["phase"] == "search"}, search.trials())
        require(not search.litter(), str(search.litter()))
    return FaultOutcome(fault="disk full for workers", times=1, lost=lost, repeated=repeated)


def _stops_and_goes_on(
    fault: str, search: SearchProcess, harm: Callable[[], AbstractContextManager[None]], reason: str, *, seed: int
) -> FaultOutcome:
    """Disturb a running search, check how it stops and what it leaves, undo the damage, and check that it continues."""
    search.run(*_SHORT, f"search.seed={seed}")
    search.wait_until(lambda: _is_under_way(search))
    before = search.finished()
    start = time.monotonic()
    with harm():
        ended = search.finish(timeout_s=2 * _MOST_S)
        stopped_s = time.monotonic() - start
        _says_it_once(ended, reason)
        require(stopped_s < _MOST_S, f"it stops within {_MOST_S:g} s, not {stopped_s:.1f}")
        is_there = search.has_begun()
        if is_there:
            _is_readable(search)
    if not is_there:
        _is_readable(search)
    start = time.monotonic()
    search.resume(*_RESUMED)
    search.wait_until(lambda: len(search.measurements()) > 0 and "resumed" in search.log.read_text())
    seconds = time.monotonic() - start
    search.finish_well()
    lost, repeated = compare(before, search.trials())
    require(not search.faults(), str(search.faults()))
    require(not search.litter(), str(search.litter()))
    notes = {"stopped_s": stopped_s, "said": ended.stderr.splitlines()[-2:]}
    return FaultOutcome(fault=fault, times=1, lost=lost, repeated=repeated, seconds=[seconds], notes=notes)


def _is_under_way(search: SearchProcess) -> bool:
    return (search.location / "baselines.json").exists() and len(search.finished()) >= 2


def _says_it_once(ended: Ended, reason: str) -> None:
    require(ended.code == 1, f"ends with 1, not {ended.code}: {ended.stderr[-2000:]}")
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    require(len(errors) == 1, f"one message: {errors}")
    require(reason in errors[0], f"the message says {reason!r}: {errors[0]}")
    require("Traceback" not in ended.stderr, ended.stderr[-2000:])
    require("tuner resume" in ended.stderr, f"the message says how to resume: {ended.stderr[-2000:]}")


def _is_readable(search: SearchProcess) -> None:
    shown = search.call("show", search.location)
    require(shown.code == 0, f"`tuner show` ends with {shown.code}: {shown.stderr}")
    # The code is 1 if a part is damaged or the manifest is missing; a run whose storage failed may have none.
    verified = search.call("verify", search.location)
    require(verified.code in (0, 1) and "Traceback" not in verified.stderr, f"`tuner verify`: {verified.stderr}")
    require(not search.faults(), f"whatever is there is whole: {search.faults()}")


# --- disks --------------------------------------------------------------------------------------------------------------


@contextmanager
def disk(place: Path) -> Iterator[None]:
    """Mount a separate disk on a folder. Raises NoDiskError if this user may not."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(place))
    try:
        yield
    finally:
        _unmount(place)


@contextmanager
def full_disk(place: Path, *, leave_kb: int = 0) -> Iterator[None]:
    """Fill the disk of a folder except for a few KB, and make room again."""
    ballast = place / ".ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            file.truncate(max(0, file.tell() - leave_kb * 1024))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Make a folder read-only. Root ignores permissions, so for root the folder is mounted over itself."""
    if os.geteuid() == 0:
        _mount("--bind", str(place), str(place))
        try:
            _mount("-o", "remount,bind,ro", str(place))
            yield
        finally:
            _unmount(place)
        return
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o500)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o700)


@contextmanager
def moved_away(place: Path) -> Iterator[None]:
    """Move a folder away and back."""
    elsewhere = place.with_name(f"{place.name}-elsewhere")
    place.rename(elsewhere)
    try:
        yield
    finally:
        require(not place.exists(), f"nothing is created where the folder was: {sorted(place.rglob('*'))}")
        elsewhere.rename(place)


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoDiskError(str(error)) from error
    if done.returncode:
        raise NoDiskError(done.stderr.strip())


def _unmount(place: Path) -> None:
    # Lazily: files that are still open are released when they are closed.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


FAULTS = (disk_full, unwritable, gone, gone_for_a_moment, full_for_workers)
