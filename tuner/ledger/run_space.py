"""The space of a recorded run, which may be of a version that this one cannot read."""

from __future__ import annotations

from tuner.errors import SpaceError
from tuner.ledger.run_directory import Run
from tuner.space.load import Space, read_space


def space_of(run: Run) -> Space | None:
    """Return the space of a run, or None if this version of tuner cannot read it."""
    try:
        return read_space(run.space)
    except SpaceError:
        return None
