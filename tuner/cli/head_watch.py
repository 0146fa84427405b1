"""Says that the head of a cluster is lost, before Ray ends the process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuner.cli.output import say

_ANSWER_WITHIN_S = 10.0
_LAST_PORT = 65_535
_LOOK_EVERY_S = 5.0
_SILENT_FOR_S = 15.0


@contextmanager
def watching_head(
    address: str | None,
    how_to_go_on: Callable[[], str],
    *,
    every_s: float = _LOOK_EVERY_S,
    silent_for_s: float = _SILENT_FOR_S,
) -> Iterator[None]:
    """Say so once if nothing answers at HOST:PORT for a while inside the block, and how to go on.

    Ray's calls block while its head is away. After a minute its C++ code ends the process with code 1, without a word.
    """
    endpoint, is_over = find_endpoint(address), threading.Event()

    def watch(host: str, port: int) -> None:
        answered_at = time.monotonic()
        while not is_over.wait(every_s):
            problem = why_silent(host, port)
            if problem is None:
                answered_at = time.monotonic()
            elif time.monotonic() - answered_at >= silent_for_s and not is_over.is_set():
                say(
                    f"warning: the head of the cluster does not answer at {address} ({problem}). If it stays away, Ray ends "
                    f"this search within a minute; {how_to_go_on()}"
                )
                return

    if endpoint is not None:
        threading.Thread(target=watch, args=endpoint, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def find_endpoint(address: str | None) -> tuple[str, int] | None:
    """Return host and port of HOST:PORT, None for any other form of address."""
    host, _, port = (address or "").rpartition(":")
    if not address or "://" in address or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        return None
    return host.strip("[]"), int(port)


def why_silent(host: str, port: int) -> str | None:
    """Return why nothing answers at a host and port, None if something does."""
    try:
        socket.create_connection((host, port), timeout=_ANSWER_WITHIN_S).close()
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None
