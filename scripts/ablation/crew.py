"""Processes that train, one order at a time each. One that dies costs its order only, and none outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ablation.results import Line
from ablation.training import failed, run_order

NICENESS = 10  # beside other work, and behind it


def run_orders(
    orders: Iterable[Any],
    processes: int,
    take: Callable[[Line], None],
    *,
    run: Callable[[Any], Line] = run_order,
    fail: Callable[[Any, str], Line] = failed,
) -> None:
    """Train every order, `processes` at a time, in their order; `take` is given each line as it is there.

    `run` makes an order's line, `fail` that of one that broke, with the reason; both are functions of a module.
    """
    left = deque(orders)
    with _crew(min(processes, len(left)), run, fail) as crew:
        at_work = {member.connection: member for member in crew}
        for member in crew:
            member.give(left.popleft())
        while at_work:
            for connection in wait(list(at_work)):
                assert isinstance(connection, Connection)  # nothing else is waited for
                member = at_work[connection]
                line = member.line()
                if line is None:  # it died: a new one takes its place
                    del at_work[connection]
                    line = fail(member.order, f"its process ended with {member.restart()}")
                    at_work[member.connection] = member
                take(line)
                if left:
                    member.give(left.popleft())
                else:
                    del at_work[member.connection]


class _Member:
    """One process and the line to it."""

    order: Any

    def __init__(self, run: Callable[[Any], Line], fail: Callable[[Any, str], Line]) -> None:
        self._run, self._fail = run, fail
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._run, self._fail), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def give(self, order: Any) -> None:
        self.order = order
        with suppress(BrokenPipeError, ConnectionResetError):  # it died idle: `line` will say so
            self.connection.send(order)

    def line(self) -> Line | None:
        """Return the line of the order that was given last, or None where the process died."""
        try:
            line: Line = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        return line

    def restart(self) -> str:
        """Start a new process in place of a dead one; say how that one ended."""
        self._process.join()
        code = self._process.exitcode or 0
        self.connection.close()
        self._start()
        return signal.Signals(-code).name if code < 0 else f"code {code}"

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.connection.close()


@contextmanager
def _crew(size: int, run: Callable[[Any], Line], fail: Callable[[Any, str], Line]) -> Iterator[list[_Member]]:
    crew = [_Member(run, fail) for _ in range(size)]
    try:
        yield crew
    finally:
        for member in crew:
            member.end()


def _work(connection: Any, run: Callable[[Any], Line], fail: Callable[[Any, str], Line]) -> None:
    """Train what comes through the pipe, until it ends: with the run, or with the death of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    os.nice(NICENESS)
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        try:
            line = run(order)
        except Exception as error:  # noqa: BLE001 - recorded as a failed training; the others go on
            line = fail(order, f"{type(error).__name__}: {error}")
        try:
            connection.send(line)
        except BrokenPipeError:
            return
