"""Use what can be read of a run whose files are damaged or missing, and name the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from tuner.errors import Fault, LedgerError
from tuner.ledger.run_directory import Run, read_run
from tuner.storage import Folder

UNEXPECTED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What readers raise if a file does not hold what tuner writes there."""

_FIELDS: dict[str, tuple[str, Any]] = {
    "champion.json": ("champion", {}),
    "baselines.json": ("baselines", []),
    "data.json": ("profile", {}),
    "environment.json": ("environment", {}),
    "manifest.json": ("manifest", {}),
    "trials": ("trials", []),
}
"""The field of a run that each file gives, and its value without the file. The least needed to show the rest come first."""

_Used = TypeVar("_Used")


def use_what_can_be_read(location: str, use: Callable[[Run], _Used]) -> tuple[_Used, Run]:
    """Read a run, and return what `use` makes of it, with the run: its `damaged` names what could not be read or used.

    If `use` fails, it gets the run without the files that `tuner verify` names, and then without more of its files. A run
    without a manifest has no checksums, so there the files are only tried. Raises LedgerError if nothing can be used.
    """
    run = read_run(location, is_lenient=True)
    if run.damaged and not (run.trials or run.champion or run.baselines or run.profile):
        raise LedgerError(run.damaged)
    try:
        return use(run), run
    except UNEXPECTED as error:
        known = run.damaged or _verify(location)
        if run.manifest and not known:
            raise
        for smaller in _ever_smaller(run, known):
            with suppress(*UNEXPECTED):
                return use(smaller), smaller
        if not known:
            raise
        raise LedgerError(known) from error


def _verify(location: str) -> Sequence[Fault]:
    from tuner.ledger.verify import verify  # imports torch

    return verify(location).faults


def _ever_smaller(run: Run, faults: Sequence[Fault]) -> Iterator[Run]:
    """Yield the run without its damaged files, and then without one more file at a time."""
    run = replace(run, damaged=tuple(faults))
    folder = Folder.at(run.location)
    damaged = [name for name in _FIELDS if any(fault.where.endswith(f"/{run.name}/{name}") for fault in faults)]
    if damaged:
        run = replace(run, **dict(_FIELDS[name] for name in damaged))
        yield run
    for name in _FIELDS:
        field, empty = _FIELDS[name]
        if name not in damaged and getattr(run, field):
            what = "not used: it does not hold what tuner writes there, or does not fit the other files"
            fault = Fault(f"{folder}/{name}", what, "restore the files that are named here from a copy")
            run = replace(run, damaged=(*run.damaged, fault), **{field: empty})
            yield run
