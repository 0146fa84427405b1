"""Signal handling for searches, usable before Ray is imported."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_received: list[
    int
] = []  # since the outermost block began; a list, as a handler could deadlock on the lock of an Event


class _InterruptedError(KeyboardInterrupt):
    """KeyboardInterrupt under another name.

    If a plain KeyboardInterrupt passes through `exec` of source text, as in some library imports, the interpreter later kills
    itself with SIGINT and ignores the exit code. It checks for the exact class, so a subclass avoids this.
    """


def raise_interrupt(number: int, _frame: Any) -> NoReturn:
    """Signal handler that raises KeyboardInterrupt and lets the process end with an exit code."""
    _received.append(number)
    raise _InterruptedError


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has arrived. A library may have swallowed the first one during its import."""
    if _received:
        raise _InterruptedError


@contextmanager
def handling_sigint() -> Iterator[None]:
    """Replace Python's default SIGINT handler by `raise_interrupt` inside the block."""
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, raise_interrupt)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does. Such blocks may be nested."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    before = signal.signal(signal.SIGTERM, raise_interrupt)
    is_outermost = before is not raise_interrupt
    if is_outermost:  # earlier signals have been handled
        _received.clear()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if is_outermost:
            _received.clear()


@contextmanager
def holding_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is over, then hand over the last one.

    For work that must not stop halfway: a Ray that is half shut down ends the process with exit code 1 when it exits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    held = list[int]()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda received, _frame: held.append(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        signal.raise_signal(held[-1])


def ignore_sigint() -> None:
    """Ignore SIGINT, if `raise_interrupt` handles it, until the block of `handling_sigint` ends."""
    if signal.getsignal(signal.SIGINT) is raise_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def die_on_abort() -> None:
    """Let SIGABRT end a Ray process at once. Does nothing outside the main thread.

    Ray's handler writes a stack trace. If there is no memory for that, the handler aborts inside itself forever, and the
    process neither ends nor continues.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
