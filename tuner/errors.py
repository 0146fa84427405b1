"""The exception tree, and the one form in which a fault is told to a person.

A fault names the place, the value with the rule it breaks, and the remedy. Errors about input carry every fault that was
found, not only the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what a person gave us.

    `where` is a file and line, a file and row numbers, or an option; `what` the value and the rule; `remedy` what to do.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


class TunerError(Exception):
    """Base of every error that `tuner` raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(TunerError):
    """Something a person gave is wrong: nothing was written. Carries every fault found."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        if not faults:
            raise ValueError("an InputError needs at least one fault")
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class UsageError(InputError):
    """A command-line argument cannot be used."""


class SpaceError(InputError):
    """A space file cannot be used."""


class DataError(InputError):
    """Data cannot be used."""


class LedgerError(InputError):
    """A run directory cannot be read, or would be overwritten."""


class BundleError(InputError):
    """A bundle cannot be read."""


class SearchFailed(TunerError):
    """The search ran and has no champion to give."""


class SearchInterrupted(TunerError):
    """The search was interrupted; what it had finished is in the ledger."""

    exit_code = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one if it is near, otherwise the list of all."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(names) if names else "none is known here"
