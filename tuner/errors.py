"""The exception tree, and the one form in which a fault is told to a person.

A fault names the place, the value with the rule it breaks, and the remedy. Errors about input carry every fault that was
found, not only the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_JOINERS = "\u200c\u200d"  # join and part letters, in Persian and within one emoji
_MAX_PART = 2000  # characters of each part of a fault that are told


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what a person gave us.

    `where` is a file and line, a file and row numbers, or an option; `what` the value and the rule; `remedy` what to do.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        told = f"{_shortened(self.where)}: {_shortened(self.what)}; {_shortened(self.remedy)}"
        return printable(told)


def printable(text: str, *, keep: str = "") -> str:
    """Return a text without control characters but those of `keep`: what a person gave must not steer a terminal."""
    keep += _JOINERS
    return "".join(each if each.isprintable() or each in keep else repr(each)[1:-1] for each in text)


def _shortened(text: str) -> str:
    """A label or a name may be a book: keep the beginning and the end."""
    half = _MAX_PART // 2
    return text if len(text) <= _MAX_PART else f"{text[:half]} … {text[-half:]}"


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

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Fault, ...]]]:
        """Pickle by the faults: an error that a worker raises is told by another process."""
        return type(self), (self.faults,)


class UsageError(InputError):
    """A command-line argument cannot be used."""


class StorageError(InputError, OSError):
    """A place cannot be reached, read or written. An OSError too, as whoever goes on without the place expects."""


class MissingFileError(StorageError, FileNotFoundError):
    """There is no file of that name."""


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
    """Return a remedy for an unknown name: the nearest known one if it is near, otherwise the list of all.

    Case and underscores do not count: SMOTEENN is as near as can be to smote_enn.
    """
    names = sorted(known)
    by_letters = {letters_of(name): name for name in names}
    near = difflib.get_close_matches(letters_of(word), by_letters, n=1, cutoff=0.6)
    if near:
        return f"did you mean {by_letters[near[0]]!r}?"
    return "known: " + ", ".join(names) if names else "none is known here"


def letters_of(name: str) -> str:
    """Return a name without case and underscores, in which libraries differ: borderlinesmote of BorderlineSMOTE."""
    return name.casefold().replace("_", "")
