"""The place of a run's directory is full, cannot be written, or is gone for a while."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from faults.search import Ended, NotAsAskedError, Outcome, Search, compare, require, searching

_MOST_S = 30.0  # three failures in a row, a second apart, and the end of Ray's trials; seen on a loaded machine
_MOMENT_S = 0.8  # less than the second after which a write is tried again
_DISK_MB = 8
_SHORT = ("search.trials=200", "search.finalists=1", "resources.concurrent=2")
_RESUMED = ("search.trials=4",)
"""A search that goes on for as long as it takes to disturb it, and comes to its end soon when it is resumed."""


class NoDiskError(NotAsAskedError):
    """This machine lets nobody, or not this user, make a disk for a test."""


def disk_full(folder: Path, *, seed: int) -> Outcome:
    """Fill the disk that the run lies on; make room, and resume."""
    with disk(folder / "runs"), searching(folder) as search:
        return _stops_and_goes_on("disk full", search, lambda: full_disk(folder / "runs"), "No space left", seed=seed)


def unwritable(folder: Path, *, seed: int) -> Outcome:
    """Make the run's directory read-only; make it writable again, and resume."""
    with searching(folder) as search:
        return _stops_and_goes_on("storage unwritable", search, lambda: read_only(search.location), "", seed=seed)


def gone(folder: Path, *, seed: int) -> Outcome:
    """Move the run's directory away; bring it back, and resume."""
    with searching(folder) as search:
        return _stops_and_goes_on(
            "storage gone", search, lambda: moved_away(search.location), "no longer there", seed=seed
        )


def gone_for_a_moment(folder: Path, *, seed: int) -> Outcome:
    """Move the run's directory away and bring it back within two seconds: the search goes on."""
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
    return Outcome(fault="storage gone for a moment", times=1, lost=lost, repeated=repeated)


def full_for_workers(folder: Path, *, seed: int) -> Outcome:
    """Leave so little room that rows of the ledger still fit, but neither a checkpoint nor a finalist's weights."""
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
            require("checkpoint cannot be written" in ended.stderr, f"it says what it does without: {ended.stderr}")
            require(
                "No space left" in ended.stderr.splitlines()[-2], f"it says why there is no champion: {ended.stderr}"
            )
            _is_readable(search)
        before = search.finished()
        search.resume()
        search.finish_well()
        lost, repeated = compare({n: row for n, row in before.items() if row["phase"] == "search"}, search.trials())
        require(not search.litter(), str(search.litter()))
    return Outcome(fault="disk full for workers", times=1, lost=lost, repeated=repeated)


def _stops_and_goes_on(
    fault: str, search: Search, harm: Callable[[], AbstractContextManager[None]], reason: str, *, seed: int
) -> Outcome:
    """Do harm to a search that is under way, see it stop and what it leaves, undo the harm, and see it go on."""
    search.run(*_SHORT, f"search.seed={seed}")
    search.wait_until(lambda: _is_under_way(search))
    before = search.finished()
    begun = time.monotonic()
    with harm():
        ended = search.finish(timeout_s=2 * _MOST_S)
        stopped_s = time.monotonic() - begun
        _says_it_once(ended, reason)
        require(stopped_s < _MOST_S, f"it stops within {_MOST_S:g} s, not {stopped_s:.1f}")
        is_there = search.has_begun()
        if is_there:
            _is_readable(search)
    if not is_there:
        _is_readable(search)
    begun = time.monotonic()
    search.resume(*_RESUMED)
    search.wait_until(lambda: len(search.measurements()) > 0 and "resumed" in search.log.read_text())
    seconds = time.monotonic() - begun
    search.finish_well()
    lost, repeated = compare(before, search.trials())
    require(not search.faults(), str(search.faults()))
    require(not search.litter(), str(search.litter()))
    notes = {"stopped_s": stopped_s, "said": ended.stderr.splitlines()[-2:]}
    return Outcome(fault=fault, times=1, lost=lost, repeated=repeated, seconds=[seconds], notes=notes)


def _is_under_way(search: Search) -> bool:
    return (search.location / "baselines.json").exists() and len(search.finished()) >= 2


def _says_it_once(ended: Ended, reason: str) -> None:
    require(ended.code == 1, f"ends with 1, not {ended.code}: {ended.stderr[-2000:]}")
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    require(len(errors) == 1, f"one message: {errors}")
    require(reason in errors[0], f"the message says {reason!r}: {errors[0]}")
    require("Traceback" not in ended.stderr, ended.stderr[-2000:])
    require("tuner resume" in ended.stderr, f"it says how to go on: {ended.stderr[-2000:]}")


def _is_readable(search: Search) -> None:
    shown = search.call("show", search.location)
    require(shown.code == 0, f"`tuner show` ends with {shown.code}: {shown.stderr}")
    # 1 where a part is damaged or a run has no manifest; a run whose storage failed may have none.
    verified = search.call("verify", search.location)
    require(verified.code in (0, 1) and "Traceback" not in verified.stderr, f"`tuner verify`: {verified.stderr}")
    require(not search.faults(), f"whatever is there is whole: {search.faults()}")


# --- disks --------------------------------------------------------------------------------------------------------------


@contextmanager
def disk(place: Path) -> Iterator[None]:
    """Give a disk of its own to a folder. Raises NoDiskError where this user may not."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(place))
    try:
        yield
    finally:
        _unmount(place)


@contextmanager
def full_disk(place: Path, *, leave_kb: int = 0) -> Iterator[None]:
    """Fill the disk of a folder up, but for some KB, and make room again."""
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
    """Let nothing be written in a folder. For root, whom rights do not bind, by a mount of the folder over itself."""
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
    """Move a folder away and bring it back."""
    elsewhere = place.with_name(f"{place.name}-elsewhere")
    place.rename(elsewhere)
    try:
        yield
    finally:
        require(not place.exists(), f"nothing is made in the place of what was moved away: {sorted(place.rglob('*'))}")
        elsewhere.rename(place)


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoDiskError(str(error)) from error
    if done.returncode:
        raise NoDiskError(done.stderr.strip())


def _unmount(place: Path) -> None:
    # Lazily: what is still open there is let go of when it is closed.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


FAULTS = (disk_full, unwritable, gone, gone_for_a_moment, full_for_workers)
