"""Files of rows that a run was made with and that have moved since."""

from __future__ import annotations

from tuner.data.builtin import is_builtin
from tuner.data.source_files import locate_quietly
from tuner.errors import DataError, Fault
from tuner.ledger.run_directory import Run
from tuner.space.assignment import set_options
from tuner.space.load import Space


def refuse_moved_files(run: Run, space: Space) -> None:
    """Raise DataError if a local file of the run is no longer where its space says. Reading an address says what is wrong."""
    faults = []
    for name in ("train", "validation", "test"):
        uri = getattr(space.data, name)
        if isinstance(uri, str) and not is_builtin(uri) and "://" not in uri and locate_quietly(uri) is None:
            what = f"data.{name} of run {run.name} is no longer there"
            remedy = f"put it back, or say where it is now: {set_options(**{name: 'FILE'})}"
            faults.append(Fault(uri, what, remedy))
    if faults:
        raise DataError(faults)
