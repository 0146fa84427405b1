"""An S3 server on this machine that counts its requests, answers as late as a distant one, and fails when it is told to."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

BUCKET = "bucket"
ACCESS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Environment variables for whoever uses the server."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Fault = Callable[[str, str], str | None]
"""Says by method and path what goes wrong with a request: "500", "hang", "slow", "cut", or None for nothing."""

_SLOW_S = 0.2  # between the halves of a slow answer
_ERROR = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


def no_fault(method: str, path: str) -> None:
    """Let every request through."""


class ObjectStore:
    """The server. `requests` counts what came in, by method and path. `fault` may be replaced while it runs."""

    def __init__(self, application: Application, delay_s: float) -> None:
        self.delay_s = delay_s
        self.requests: list[tuple[str, str]] = []
        self.fault: Fault = no_fault
        self.port = 0
        self.is_over = threading.Event()
        self._application = application

    def location(self, path: str = "") -> str:
        """Return the address of a place in the bucket, with a query."""
        below = f"/{path}" if path else ""
        return f"s3://{BUCKET}{below}?endpoint_override=http://127.0.0.1:{self.port}&region=us-east-1"

    def count(self) -> Counter[str]:
        """Return how many requests of each method came in."""
        return Counter(method for method, _ in self.requests)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, f"{path}?{environ['QUERY_STRING']}".rstrip("?")))
        self.is_over.wait(self.delay_s)
        fault = self.fault(method, path)
        if fault == "hang":
            self.is_over.wait()
        if fault in ("500", "hang"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("500 Internal Server Error", [("Content-Length", str(len(_ERROR)))])
            return [_ERROR]
        answer = self._application(environ, start_response)
        return self._spoil(b"".join(answer), fault) if fault else answer

    def _spoil(self, content: bytes, fault: str) -> Iterator[bytes]:
        half = len(content) // 2
        yield content[:half]
        if fault == "slow":
            self.is_over.wait(_SLOW_S)
            yield content[half:]


@contextmanager
def object_store(delay_s: float = 0.0) -> Iterator[ObjectStore]:
    """Serve an empty bucket until the block ends. Every request waits `delay_s` first. Sets ACCESS for this process."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept, as S3 keeps them

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    before = {name: os.environ.get(name) for name in ACCESS}
    os.environ.update(ACCESS)
    store = ObjectStore(DomainDispatcherApplication(create_backend_app), delay_s)
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    store.port = server.port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        _make_bucket(store)
        yield store
    finally:
        store.is_over.set()
        server.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _make_bucket(store: ObjectStore) -> None:
    from pyarrow import fs

    fs.S3FileSystem(
        endpoint_override=f"http://127.0.0.1:{store.port}", region="us-east-1", allow_bucket_creation=True
    ).create_dir(BUCKET)
    store.requests.clear()
