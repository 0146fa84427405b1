"""One command that can be given again and again: it begins a run, resumes it, or finds it finished.

Whatever starts commands again after a failure (Kubernetes, cron, a job server) knows only one command. So that command looks at
the ledger first, and waits while another process works on the run.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuner.comparison.changes import Change, space_changes
from tuner.data.table_reader import fingerprint
from tuner.errors import Fault, LedgerError, RunHeld, SpaceError
from tuner.ledger.lock import find_holder
from tuner.ledger.run_directory import Run, is_run, read_run
from tuner.search.resume import JUDGE, MAY_CHANGE, is_moved_file, resume_search
from tuner.space.assignment import as_words, assignment
from tuner.space.load import Space, read_space
from tuner.storage import Folder

if TYPE_CHECKING:
    from tuner.search.watcher import Watcher

_LOOK_EVERY_S = 2.0
_GIVES_MORE = ("search.time", "search.cost", "search.trials", JUDGE)
"""Settings that give a finished run more."""


def run_or_resume(
    space: Space, location: str, *, address: str | None, watcher: Watcher, started: float
) -> dict[str, Any]:
    """Begin the run at `location`, resume it, or leave it as it is if it has finished. Return its manifest.

    While another process works on the run, wait until it ends or its lease runs out. The arguments are those of `run_search`.

    Raises what `run_search` and `resume_search` raise. Also raises LedgerError if another space began the run.
    """
    folder = Folder.at(location)
    while True:
        was_there = is_run(folder)
        try:
            manifest = find_finished(space, location, watcher.say)  # before the wait, as another space may be at work
            if manifest is not None:
                return dict(manifest)
            if wait_for_others(folder, watcher.say):
                started = time.monotonic()
            elif was_there:
                overrides = overrides_to_resume(read_run(location), space)
                return resume_search(location, overrides, address=address, watcher=watcher)
            else:
                from tuner.search.run import run_search  # imports Ray Tune, which takes a second

                return run_search(space, location, address=address, watcher=watcher, started=started)
        except RunHeld:  # another process was faster
            time.sleep(_LOOK_EVERY_S)
        except LedgerError:
            if was_there or not is_run(folder):  # otherwise another process has begun the run, and left it
                raise


def find_finished(space: Space, location: str, say: Callable[[str], None]) -> Mapping[str, Any] | None:
    """Return the manifest of the run at `location` if it has finished, and say so. Raises LedgerError as `run_or_resume`."""
    if not is_run(Folder.at(location)):
        return None
    run = read_run(location)
    overrides_to_resume(run, space)
    if run.status != "finished":
        return None
    say(f"{location} is finished, and nothing has changed")
    return run.manifest


def wait_for_others(folder: Folder, say: Callable[[str], None]) -> bool:
    """Wait while another process works on a run, and say which and for how long. Return whether there was one."""
    name = None
    while (holder := find_holder(folder)) is not None:
        if holder.name != name:
            name = holder.name
            until = (
                "" if holder.left_s is None else f", or {holder.left_s:.0f} s from now if it no longer renews its lease"
            )
            say(f"{folder}: another process is at work on this run ({name}); waiting until it ends{until}")
        time.sleep(_LOOK_EVERY_S if holder.left_s is None else min(_LOOK_EVERY_S, holder.left_s))
    return name is not None


def overrides_to_resume(run: Run, space: Space) -> list[str]:
    """Return the settings to resume a run with, so that it goes on as `space` says. A finished run gets none.

    So does a run of which nobody knows the space that began it: an earlier version of tuner did not record it, or wrote it in
    another way. Raises LedgerError with every difference, if `space` is not the one that began the run. Files of rows may have
    moved, and settings that change no trial's result may differ.
    """
    begun = _space_given(run)
    if begun is None:
        return []
    is_finished = run.status == "finished"
    space = read_space(space.given)
    changes = space_changes(begun, space)
    faults = [
        Fault(
            run.location,
            f"{change['setting']} is {change['b']}, but the run of this name began with {change['a']}",
            _remedy(run, space, change),
        )
        for change in changes
        if (_is_other_result(run, space, change) if is_finished else _is_other_search(change))
    ]
    if faults:
        raise LedgerError(faults)
    return [] if is_finished else [_assignment(space, change) for change in changes]


def _space_given(run: Run) -> Space | None:
    """Return the space that people began the run with, None if that is not known."""
    try:
        return read_space(str(run.environment["space_given"]))
    except (KeyError, SpaceError):
        return None


def _is_other_search(change: Change) -> bool:
    return change["setting"] not in MAY_CHANGE and not is_moved_file(change)


def _is_other_result(run: Run, space: Space, change: Change) -> bool:
    """Return whether a finished run is not what a space with this difference asks for."""
    if is_moved_file(change):
        begun: Mapping[str, str] = run.environment.get("data", {}).get("fingerprints", {})
        return fingerprint(str(_value(space, change))) not in begun.values()
    return _is_other_search(change) or change["setting"] in _GIVES_MORE


def _remedy(run: Run, space: Space, change: Change) -> str:
    if change["setting"] in _GIVES_MORE:
        command = shlex.join(["tuner", "resume", run.location, *as_words([_assignment(space, change)])])
        return f"`{command}` gives a finished run more; or choose another --name"
    return "choose another --name, or change it back"


def _assignment(space: Space, change: Change) -> str:
    return assignment(change["setting"], _value(space, change))


def _value(space: Space, change: Change) -> Any:
    section, _, name = change["setting"].partition(".")
    return getattr(getattr(space, section), name)
