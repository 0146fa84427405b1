"""Resume a run, or give a finished one more, and check that its space, data and versions are those that it began with."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner import __version__
from tuner.comparison.changes import Change, space_changes
from tuner.data.dataset import Dataset
from tuner.errors import DataError, Fault, LedgerError, SpaceError
from tuner.ledger.extensions import Extension, extend, extensions_of
from tuner.ledger.rows import read_recorded_run
from tuner.ledger.run_directory import Ledger, Run, read_run
from tuner.ledger.tables import read_parts
from tuner.search.environment import now, versions
from tuner.search.extension import note_on_seen_test, refuse_missing_weights, refuse_too_little
from tuner.search.moved_files import refuse_moved_files
from tuner.search.size_plan import settle_more_finalists
from tuner.show_value import show_duration
from tuner.space.assignment import assignment, key_of
from tuner.space.load import Space, changed, read_space
from tuner.storage import join

if TYPE_CHECKING:
    from tuner.search.watcher import Watcher

JUDGE = "data.judge"
MAY_CHANGE = (
    "search.time",
    "search.cost",
    "search.cost_per_hour",
    "search.trials",
    "search.trial_timeout",
    "search.max_failed",
    "resources.concurrent",
    "resources.wait",
    JUDGE,
)
"""Settings that change no trial's result. Data files may also move, if their content stays the same."""
_DATA_FILES = ("data.train", "data.validation", "data.test")


def resume_search(location: str, overrides: Sequence[str], *, address: str | None, watcher: Watcher) -> dict[str, Any]:
    """Continue a run that was interrupted, failed or died, or give a finished one more. Return its manifest.

    The ledger holds all that is needed. Ended trials stay as they are, and trials that were running continue from their
    checkpoints. Only the time that the run has used counts against its budget. A finished run without `overrides` stays as it
    is. Otherwise the search goes on within the larger budget, and a new champion follows; the earlier one serves until then.
    With `data.judge` alone, only the champion is judged.

    Raises what `run_search` raises. Also raises InputError if the space, the data or tuner's version differ from what the
    run began with, if the budget gives a finished run nothing more, or if another process works on the run.
    """
    ledger = Ledger.reopen(location)
    try:
        run = read_run(location)
        if run.status == "finished" and not overrides:
            return dict(run.manifest)
        check_versions(run, watcher.say)
        extensions = _extensions(run, overrides)
        space = resumed_space(run, extensions[-1].settings if extensions else overrides, watcher.say)
        space = _with_more_finalists(run, space, watcher.say)
        if run.status == "finished":
            if _asks_for_judgement_only(run, space, overrides):
                return _judge(run, space, ledger, watcher.say)
            refuse_too_little(run, space, overrides)
            refuse_missing_weights(run)
            watcher.say(f"note: {note_on_seen_test(run, space)}")
        refuse_moved_files(run, space)
        measurements, damaged = read_parts(ledger.folder, "reports")
        recorded = read_recorded_run(run, measurements, extensions[-1] if extensions else None)
        for fault in (*run.damaged, *damaged):
            watcher.say(f"warning: {fault}")
        from tuner.search.run import EarlierRun, SearchRun  # imports Ray, which takes a second
        from tuner.search.search_data import read_beside_ray

        with read_beside_ray(space, location, address, watcher) as (space, data):
            check_data(run, data.dataset)
            begun = time.monotonic()

            def clock() -> float:
                return time.monotonic() - begun + recorded.seconds

            earlier = EarlierRun(run, recorded, extensions)
            search = SearchRun(space, data, ledger, clock=clock, watcher=watcher, earlier=earlier)
            return search.run(is_cluster=address is not None)
    finally:
        ledger.release()


def _judge(run: Run, space: Space, ledger: Ledger, say: Callable[[str], None]) -> dict[str, Any]:
    from tuner.search.judgement import judge_finished
    from tuner.search.reading import load_checked

    refuse_moved_files(run, space)
    space, dataset = load_checked(space, say)
    check_data(run, dataset)
    return judge_finished(run, space, dataset, ledger, say)


def _extensions(run: Run, overrides: Sequence[str]) -> tuple[Extension, ...]:
    """Return the extensions of a run that goes on: with a new one if it had finished, else with the overrides in the latest."""
    known = extensions_of(run)
    if run.status == "finished":
        return *known, extend(run, overrides, at=now(), command=["tuner", *sys.argv[1:]])
    return (*known[:-1], known[-1].with_settings(overrides)) if known else ()


def _with_more_finalists(run: Run, space: Space, say: Callable[[str], None]) -> Space:
    """Return the space with as many finalists as its larger budget allows, if the search had settled their number itself."""
    before = read_space(run.space).search
    if (space.search.seconds, space.search.trials) == (before.seconds, before.trials):
        return space
    settings = settle_more_finalists(space, run.plan, spent_s=float(run.manifest.get("seconds", 0.0)))
    for name, number in settings.items():
        say(f"note: {name} is {number} now, for the larger budget")
    return changed(space, [assignment(*each) for each in settings.items()]) if settings else space


def _asks_for_judgement_only(run: Run, space: Space, overrides: Sequence[str]) -> bool:
    """Return whether nothing but other rows to judge on are asked for."""
    is_named = JUDGE in map(key_of, overrides)
    differing = {change["setting"] for change in space_changes(read_space(run.space), space)}
    return is_named and space.data.judge is not None and differing <= {JUDGE}


def _is_time(name: str, value: object) -> bool:
    return name in ("search.time", "search.trial_timeout", "resources.wait") and value not in (None, "null")


def resumed_space(run: Run, overrides: Sequence[str], say: Callable[[str], None]) -> Space:
    """Return the space to resume a run with: the space of the run, with `overrides` as in `load_space`. Say what has changed.

    Raises SpaceError naming every difference that would make it a different search.
    """
    source = join(run.location, "space.yaml")
    begun = read_space(str(run.environment.get("space_text", run.space)))
    space = read_space(run.space, overrides)
    faults = []
    # What the search settled may differ from what it began with: see `SelfSizing.revise` and `_with_more_finalists`.
    settled = run.plan.get("settings", {}).keys()
    changes = [change for change in space_changes(begun, space) if change["setting"] not in settled]
    changes += [change for change in space_changes(read_space(run.space), space) if change["setting"] in settled]
    for change in changes:
        name, before, after = change["setting"], change["a"], change["b"]
        if name in MAY_CHANGE:
            shown, begun_with = (
                show_duration(float(each)) if _is_time(name, each) else each for each in (after, before)
            )
            say(f"note: {name} is {shown} now; the run began with {begun_with}")
        elif not is_moved_file(change):
            what = f"{name} is {after}, but the run {'settled on' if name in settled else 'began with'} {before}"
            remedy = (
                f"change it back, or begin a new run; a resumed run may change {', '.join(MAY_CHANGE)}, and name "
                f"{', '.join(_DATA_FILES)} elsewhere if their content is the same"
            )
            faults.append(Fault(source, what, remedy))
    if faults:
        raise SpaceError(faults)
    return replace(space, source=source, is_task_given=True)  # it was checked when the run began


def is_moved_file(change: Change) -> bool:
    """Return whether a difference between spaces is that a file of rows has another name. A share of the rows is no file."""
    return change["setting"] in _DATA_FILES and _is_file(change["a"]) and _is_file(change["b"])


def _is_file(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return value != "null"
    return False


def check_data(run: Run, dataset: Dataset) -> None:
    """Raise DataError naming every source whose content has changed since the run began, or that had another use then."""
    begun: Mapping[str, str] = run.environment.get("data", {}).get("fingerprints", {})
    faults = []
    for source, digest in dataset.fingerprints.items():
        if digest not in begun.values():
            then = begun.get(source)
            what = (
                f"its content has changed since the run began (SHA-256 {digest[:12]} now, {then[:12]} then)"
                if then
                else f"its content is that of no file that the run began with ({', '.join(begun)})"
            )
            faults.append(Fault(source, what, "restore the old content, or begin a new run"))
    places = zip(dataset.fingerprints.items(), begun.items(), strict=False)  # train first, test last
    for (source, digest), (then, was) in () if faults else places:
        if digest != was:
            what = f"{then} was in its place when the run began, and its content was another file's"
            remedy = f"name each file for what it was used for: {', '.join(_DATA_FILES)}"
            faults.append(Fault(source, what, remedy))
    if faults:
        raise DataError(faults)


def check_versions(run: Run, say: Callable[[str], None]) -> None:
    """Say which packages have changed since the run began. Raises LedgerError if tuner has, by more than a patch release."""
    begun: Mapping[str, str] = run.environment.get("versions", {})
    then = begun.get("tuner", __version__)
    if then.split(".")[:2] != __version__.split(".")[:2]:
        what = f"the run began with tuner {then}, and this is {__version__}"
        remedy = f"run `pip install tuner=={then}`, then resume, or begin a new run"
        raise LedgerError([Fault(run.location, what, remedy)])
    for package, version in versions().items():
        before = begun.get(package, version)
        if before != version:
            say(f"note: {package} is {version} now; the run began with {before}, so results may differ a little")
