"""Run training orders in several processes and append one line of results per order.

A process that dies costs only its own order. No process outlives its parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from experiments.results import Line, append

NICENESS = 10  # let other work on the machine go first

Run = Callable[[Any], Line]
Fail = Callable[[Any, str], Line]


def record(
    orders: Sequence[Any], out: Path, *, processes: int, run: Run, fail: Fail, describe: Callable[[Line], str]
) -> int:
    """Run the orders, append their lines to a file, and print progress. Return the number of orders that failed.

    `run` and `fail` are those of `run_orders`; `describe` says in words what a line holds.
    """
    # The processes' torch reads this when it is imported. A second thread makes small models slower.
    os.environ["OMP_NUM_THREADS"] = "1"
    out.parent.mkdir(parents=True, exist_ok=True)
    start, done, failed = time.monotonic(), 0, 0
    with out.open("a") as file:

        def take(line: Line) -> None:
            nonlocal done, failed
            append(file, line)
            done += 1
            failed += line["outcome"] == "failed"
            left_s = (time.monotonic() - start) / done * (len(orders) - done)
            progress = f"[{done}/{len(orders)}, {left_s / 60:.0f} min left]"
            print(f"{progress} {describe(line)}", file=sys.stderr, flush=True)

        run_orders(orders, processes, take, run=run, fail=fail)
    return failed


def run_orders(orders: Iterable[Any], processes: int, take: Callable[[Line], None], *, run: Run, fail: Fail) -> None:
    """Run the orders in sequence, `processes` at a time, and pass each line to `take` as soon as it is there.

    `run` turns an order into a line. `fail` makes the line of an order that broke, from the order and the reason. Both
    must be module-level functions, because the processes import them.
    """
    waiting = deque(orders)
    with _workers(min(processes, len(waiting)), run, fail) as workers:
        busy = {worker.connection: worker for worker in workers}
        for worker in workers:
            worker.give(waiting.popleft())
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)  # we wait for nothing else
                worker = busy[connection]
                line = worker.line()
                if line is None:  # the process died: start a new one
                    del busy[connection]
                    line = fail(worker.order, f"its process ended with {worker.restart()}")
                    busy[worker.connection] = worker
                take(line)
                if waiting:
                    worker.give(waiting.popleft())
                else:
                    del busy[worker.connection]


class _Worker:
    """One process and the pipe to it."""

    order: Any

    def __init__(self, run: Run, fail: Fail) -> None:
        self._run, self._fail = run, fail
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._run, self._fail), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process ends

    def give(self, order: Any) -> None:
        self.order = order
        with suppress(BrokenPipeError, ConnectionResetError):  # it died while idle: `line` will show it
            self.connection.send(order)

    def line(self) -> Line | None:
        """Return the line of the last order, or None if the process died."""
        try:
            line: Line = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        return line

    def restart(self) -> str:
        """Replace a dead process by a new one. Return how the old one ended."""
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
def _workers(count: int, run: Run, fail: Fail) -> Iterator[list[_Worker]]:
    workers = [_Worker(run, fail) for _ in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _work(connection: Any, run: Run, fail: Fail) -> None:
    """Run the orders that arrive through the pipe until the pipe closes, at the end of the run or of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    os.nice(NICENESS)
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        try:
            line = run(order)
        except Exception as error:  # noqa: BLE001 - recorded as a failed order; the others go on
            line = fail(order, f"{type(error).__name__}: {error}")
        try:
            connection.send(line)
        except BrokenPipeError:
            return
