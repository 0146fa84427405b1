"""The writes of a run are done in order, tried again, and their errors raised where the search can end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tuner.errors import Fault, LedgerError, StorageError
from tuner.ledger import write_queue
from tuner.ledger.write_queue import WriteQueue

KINDS = pytest.mark.parametrize("is_threaded", [False, True], ids=["at once", "in a thread"])


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "RETRY_AFTER_S", 0.0)


def failing(times: int, then: Callable[[], None]) -> Callable[[], None]:
    """Return a write that fails so often before it succeeds."""
    left = iter(range(times))

    def write() -> None:
        if next(left, None) is not None:
            raise StorageError([Fault("store", "cannot be written", "wait")])
        then()

    return write


@KINDS
def test_a_write_that_fails_twice_is_done_before_the_ones_after_it(is_threaded: bool) -> None:
    done: list[int] = []
    queue = WriteQueue(is_threaded=is_threaded)
    queue.add(failing(2, lambda: done.append(1)))
    queue.add(lambda: done.append(2))
    queue.wait()
    assert (done, queue.is_empty) == ([1, 2], True)


@KINDS
def test_after_three_failures_the_error_is_raised_and_nothing_is_lost(is_threaded: bool) -> None:
    done: list[int] = []
    queue = WriteQueue(is_threaded=is_threaded)
    queue.add(failing(3, lambda: done.append(1)))
    queue.add(lambda: done.append(2))
    with pytest.raises(StorageError, match="store: cannot be written"):
        queue.wait()
    assert done == []
    queue.wait()
    assert done == [1, 2]


def test_a_thread_writes_while_the_search_goes_on() -> None:
    is_written, may_go_on = threading.Event(), threading.Event()
    queue = WriteQueue(is_threaded=True)
    queue.add(lambda: (may_go_on.wait(10), is_written.set())[1])
    queue.advance()
    assert not is_written.is_set()
    may_go_on.set()
    queue.catch_up()
    assert is_written.is_set()


def test_an_error_of_the_thread_is_raised_by_the_next_advance() -> None:
    def write() -> None:
        raise LedgerError([Fault("run", "another process has taken it", "wait")])

    queue = WriteQueue(is_threaded=True)
    queue.add(write)
    queue.advance()
    assert queue._running is not None
    queue._running.exception()  # waits for it
    with pytest.raises(LedgerError, match="another process has taken it"):
        queue.advance()


def test_a_local_disk_that_fails_does_not_hold_up_the_search() -> None:
    done: list[int] = []
    queue = WriteQueue(is_threaded=False)
    queue.add(failing(1, lambda: done.append(1)))
    queue.advance()
    queue.catch_up()
    assert done == []
    queue.advance()
    assert done == [1]
