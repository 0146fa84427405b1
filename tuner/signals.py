"""What a signal means to a search, before Ray is imported too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_come: list[int] = []  # signals since the outermost block began; no Event, whose lock a handler may find taken


class _InterruptedError(KeyboardInterrupt):
    """KeyboardInterrupt by another name.

    Where Python's own passes through `exec` of a text, as imports of libraries may do, the interpreter remembers it and ends
    itself by SIGINT, whatever exit code it is given. It goes by the exact class.
    """


def raise_interrupt(number: int, _frame: Any) -> NoReturn:
    """Raise KeyboardInterrupt, as a signal's handler; the process can then end by an exit code."""
    _come.append(number)
    raise _InterruptedError


def raise_if_interrupted() -> None:
    """Raise the KeyboardInterrupt of a signal that has come, for whoever caught everything, as imports of libraries may do."""
    if _come:
        raise _InterruptedError


def handle_sigint() -> None:
    """Let SIGINT raise `raise_interrupt`'s KeyboardInterrupt where it raises Python's."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, raise_interrupt)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does. Such blocks may stand in each other."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    before = signal.signal(signal.SIGTERM, raise_interrupt)
    is_outermost = before is not raise_interrupt
    if is_outermost:  # what came before has been dealt with
        _come.clear()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if is_outermost:
            _come.clear()


def die_on_abort() -> None:
    """Let SIGABRT end a process of Ray's at once, from its main thread.

    Ray's handler writes a stack trace. Where there is no memory left to do so, it aborts within itself for ever, and what
    the process works on neither ends nor goes on.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
