"""Find the run, the bundle or the space that an argument names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cli.output import say
from tuner.ledger.location import locate_model, locate_run

if TYPE_CHECKING:
    from tuner.errors import UsageError
    from tuner.space.load import Space

__all__ = ["load_named_space", "locate_model", "locate_run", "name_damage"]


def load_named_space(space: str | None, overrides: tuple[str, ...], data: str | None = None) -> Space:
    """Load a space, with one's own rows in it if `data` names a file, and say which file it came from.

    Without a name, the rows decide which shipped space is used. Raises InputError.
    """
    from tuner.space.load import load_space

    given = space
    found: tuple[str, ...] = ()
    if data is not None:
        from tuner.search.own_data import read_own_data

        _note_own_space(space, data)
        own = read_own_data(data, space, overrides, say)
        space, found = own.space, own.assignments
    elif space is None or _is_data(space):
        raise _no_space(space)
    loaded = load_space(space, overrides, found=found)
    say(f"space: {loaded.source}{' (shipped with tuner)' if loaded.is_shipped else ''}")
    if given is not None and loaded.is_shipped and given.endswith((".yaml", ".yml")):
        rows = f", on {loaded.data.train}" if data is None else ""
        remedy = f"`tuner init {Path(loaded.source).stem}` writes one to edit"
        say(
            f"note: there is no file {given} here, so the space that is shipped under this name is used{rows}; {remedy}"
        )
    for note in loaded.notes:
        say(f"note: {note}")
    return loaded


def _note_own_space(space: str | None, data: str) -> None:
    """Say that a space written for these rows is not used, if there is one and no other is named."""
    from tuner.cli.init import name_for

    written = Path("spaces", f"{name_for(data)}.yaml")
    if space is None and written.is_file():
        say(f"note: there is {written}, which is not used; `tuner run {shlex.quote(str(written))}` uses it")


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
