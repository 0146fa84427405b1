"""The writes of a run, one after the other: at once on a local disk, and in a thread where each of them takes its time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tuner.errors import StorageError

RETRY_AFTER_S = 1.0
_MOST_FAILURES = 3  # in a row: a full disk stays full, but a network disk may come back


class WriteQueue:
    """Does writes in the order in which they were added.

    A write that fails is tried again a second later, before any that were added after it. `advance` and `wait` raise
    StorageError after three failures in a row. They raise any other error of a write at once. The failed write stays the first.
    """

    def __init__(self, *, is_threaded: bool) -> None:
        self._writes: deque[Callable[[], None]] = deque()
        self._thread = ThreadPoolExecutor(1, "ledger") if is_threaded else None
        self._running: Future[None] | None = None
        self._failures, self._failed_at = 0, 0.0

    @property
    def is_empty(self) -> bool:
        """Whether every write is done."""
        return not self._writes

    def add(self, write: Callable[[], None]) -> None:
        """Add a write; `advance` does it. It must do no harm if it is done twice."""
        self._writes.append(write)

    def advance(self) -> None:
        """Go on with the writes. Do not wait for those in the thread, but raise the error that ended it."""
        if self._thread is None:
            if not self._failures or time.monotonic() - self._failed_at >= RETRY_AFTER_S:
                self._attempt()
        elif self._running is None or self._running.done():
            self._join()
            if self._writes:
                self._running = self._thread.submit(self._do_all)

    def catch_up(self) -> None:
        """Wait until the thread has done all writes. Do not wait for a local disk, which may be full or away."""
        if self._thread is not None:
            self.wait()

    def wait(self) -> None:
        """Wait until all writes are done."""
        self._join()
        if self._thread is None:
            self._do_all()
        elif self._writes:
            self._thread.submit(self._do_all).result()

    def _join(self) -> None:
        """Wait until the thread has nothing to do, and raise the error that ended its work."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def _do_all(self) -> None:
        while not self._attempt():
            time.sleep(RETRY_AFTER_S)

    def _attempt(self) -> bool:
        """Do the writes up to the first that fails. Return whether all are done."""
        while self._writes:
            try:
                self._writes[0]()
            except StorageError:
                self._failures, self._failed_at = self._failures + 1, time.monotonic()
                if self._failures >= _MOST_FAILURES:
                    raise
                return False
            self._failures = 0
            self._writes.popleft()
        return True
