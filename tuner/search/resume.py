"""Check that a run is resumed with the space, the data and the versions that it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tuner import __version__
from tuner.comparison.changes import space_changes
from tuner.data.dataset import Dataset
from tuner.errors import DataError, Fault, LedgerError, SpaceError
from tuner.ledger.run_directory import Run
from tuner.search.environment import versions
from tuner.space.load import Space, read_space
from tuner.storage import join

MAY_CHANGE = (
    "search.time",
    "search.cost",
    "search.cost_per_hour",
    "search.trials",
    "search.trial_timeout",
    "resources.concurrent",
)
"""Settings that change no trial's result. Data files may also move, if their content stays the same."""
_DATA_FILES = ("data.train", "data.validation", "data.test")


def resumed_space(run: Run, overrides: Sequence[str], say: Callable[[str], None]) -> Space:
    """Return the space to resume a run with: the space of the run, with `overrides` as in `load_space`. Say what has changed.

    Raises SpaceError naming every difference that would make it a different search.
    """
    source = join(run.location, "space.yaml")
    begun = read_space(str(run.environment.get("space_text", run.space)))
    now = read_space(run.space, overrides)
    faults = []
    for change in space_changes(begun, now):
        name, before, after = change["setting"], change["a"], change["b"]
        if name in MAY_CHANGE:
            say(f"note: {name} is {after} now; the run began with {before}")
        elif name not in _DATA_FILES:
            what = f"{name} is {after}, but the run began with {before}"
            remedy = f"change it back, or begin a new run; a resumed run may change {', '.join(MAY_CHANGE)}"
            faults.append(Fault(source, what, remedy))
    if faults:
        raise SpaceError(faults)
    return replace(now, source=source, is_task_given=True)  # it was checked when the run began


def check_data(run: Run, dataset: Dataset) -> None:
    """Raise DataError naming every source whose content has changed since the run began."""
    begun: Mapping[str, str] = run.environment.get("data", {}).get("fingerprints", {})
    faults = []
    for source, now in dataset.fingerprints.items():
        if now not in begun.values():
            then = begun.get(source, "another source")
            what = f"its content has changed since the run began (SHA-256 {now[:12]} now, {then[:12]} then)"
            faults.append(Fault(source, what, "restore the old content, or begin a new run"))
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
    for package, now in versions().items():
        before = begun.get(package, now)
        if before != now:
            say(f"note: {package} is {now} now; the run began with {before}, so results may differ a little")
