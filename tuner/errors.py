"""All exceptions, and the form of every error message.

A fault names the place, the value with the rule it breaks, and the remedy. Errors about input carry every fault, not only the
first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_JOINERS = "\u200c\u200d"  # zero-width characters that Persian and composed emoji need
_MAX_PART = 2000  # characters shown of each part of a fault


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the user's input.

    `where` is a file and line, a file and row numbers, or an option. `what` is the value and the rule. `remedy` says what to do.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return printable(f"{_shortened(self.where)}: {_shortened(self.what)}; {_shortened(self.remedy)}")


def printable(text: str, *, keep: str = "") -> str:
    """Escape control characters, except those in `keep`, so that user input cannot control the terminal."""
    keep += _JOINERS
    return "".join(
        character if character.isprintable() or character in keep else repr(character)[1:-1] for character in text
    )


def _shortened(text: str) -> str:
    """Keep the beginning and the end of a very long text."""
    half = _MAX_PART // 2
    return text if len(text) <= _MAX_PART else f"{text[:half]} … {text[-half:]}"


class TunerError(Exception):
    """Base of all errors that `tuner` raises on purpose. The command line exits with `exit_code`."""

    exit_code = 1


class InputError(TunerError):
    """The user's input is wrong, and nothing was written. Carries every fault."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        if not faults:
            raise ValueError("an InputError needs at least one fault")
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Fault, ...]]]:
        """Pickle the faults, so that the driver can report an error raised in a worker."""
        return type(self), (self.faults,)


class UsageError(InputError):
    """A command-line argument cannot be used."""


class NoAnswer(UsageError):
    """A server does not answer, or not as it should. It may later."""


class StorageError(InputError, OSError):
    """A place cannot be reached, read or written. Also an OSError, for callers that can do without the place."""


class MissingFileError(StorageError, FileNotFoundError):
    """The file does not exist."""


class SpaceError(InputError):
    """A space file cannot be used."""


class DataError(InputError):
    """Data cannot be used."""


class LedgerError(InputError):
    """A run directory cannot be read, or would be overwritten."""


class RunHeld(LedgerError):
    """Another process works on the run."""


class BundleError(InputError):
    """A bundle cannot be read."""


class SearchFailed(TunerError):
    """The search ran, but it has no champion."""


class SearchInterrupted(TunerError):
    """The search was interrupted. The ledger holds the finished part."""

    exit_code = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the closest known name if there is one, otherwise a list of all.

    Ignores case and underscores: SMOTEENN matches smote_enn.
    """
    names = sorted(known)
    by_letters = {letters_of(name): name for name in names}
    matches = difflib.get_close_matches(letters_of(word), by_letters, n=1, cutoff=0.6)
    if matches:
        return f"did you mean {by_letters[matches[0]]!r}?"
    return "known: " + ", ".join(names) if names else "none is known here"


def letters_of(name: str) -> str:
    """Return a name in lower case without underscores, so that BorderlineSMOTE matches borderline_smote."""
    return name.casefold().replace("_", "")


def data_error(where: str, what: str, remedy: str) -> DataError:
    """Return the error for one fault in the data."""
    return DataError([Fault(where, what, remedy)])
