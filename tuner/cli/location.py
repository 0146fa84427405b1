"""Find the run, the bundle or the space that an argument names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuner.cli.output import say

if TYPE_CHECKING:
    from tuner.errors import UsageError
    from tuner.space.load import Space


def locate_run(run: str, runs: str) -> str:
    """Return the location of a run, given its path or its name below `runs`. A run below `runs` wins over a path."""
    from tuner.storage import Folder, join

    if "://" in run:
        return run
    below, is_path = join(runs, run), "/" in run or run in (".", "..")
    return run if is_path and not Folder.at(below).exists("environment.json") else below


def locate_model(model: str, runs: str) -> str:
    """Return the location of a bundle, given by path, or of a run, given by path or by name below `runs`.

    Raises UsageError if there is neither.
    """
    from tuner.errors import Fault, UsageError, did_you_mean
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder, split

    here, location = Folder.at(model), locate_run(model, runs)
    if here.exists("bundle.json"):
        return model
    if Folder.at(location).exists("environment.json"):
        return location
    if here.exists():
        return model  # the reader reports what the folder lacks
    folder, name = split(location.rstrip("/"))
    names = list_runs(folder) if Folder.at(folder).is_folder() else []
    remedy = (
        did_you_mean(name, names)
        if names
        else "give the directory of a bundle or a run; --runs names the folder that holds the runs"
    )
    raise UsageError(
        [Fault(model, f"there is no bundle here (no bundle.json), and no run of this name in {folder}", remedy)]
    )


def load_named_space(space: str | None, overrides: tuple[str, ...], data: str | None = None) -> Space:
    """Load a space, with one's own rows in it if `data` names a file, and say which file it came from.

    Without a name, the rows decide which shipped space is used. Raises InputError.
    """
    from tuner.space.load import load_space

    found: tuple[str, ...] = ()
    if data is not None:
        from tuner.search.own_data import read_own_data

        own = read_own_data(data, space, overrides, say)
        space, found = own.space, own.assignments
    elif space is None or _is_data(space):
        raise _no_space(space)
    loaded = load_space(space, overrides, found=found)
    say(f"space: {loaded.source}{' (shipped with tuner)' if loaded.is_shipped else ''}")
    return loaded


def _is_data(name: str) -> bool:
    from tuner.data.formats.names import known_format

    return known_format(name) is not None


def _no_space(rows: str | None) -> UsageError:
    """Return the error for a missing space, or for a file of rows in its place."""
    from tuner.errors import Fault, UsageError

    if rows is not None:
        return UsageError([Fault(rows, "this is a file of rows, not a space", f"use --data {shlex.quote(rows)}")])
    remedy = "name one, such as multilabel, or give your own rows with --data FILE"
    return UsageError([Fault("SPACE", "no space is named", remedy)])


@contextmanager
def name_damage(location: str) -> Iterator[None]:
    """If an unexpected error ends the block, name the run's damaged files instead, if there are any.

    Readers assume that nobody has changed the ledger. If a reader fails, the checksums show whether that is true.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        from tuner.errors import LedgerError
        from tuner.ledger.verify import verify

        faults = verify(location).faults
        if faults:
            raise LedgerError(faults) from error
        raise
