"""Servers that are no job servers, and the token. A real job server is in tests/cluster/test_jobs.py."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tuner.errors import NoAnswer, UsageError
from tuner.jobs.job_server import JobServer, find_token


class Handler(BaseHTTPRequestHandler):
    """Answers /api/authentication_mode as Ray does, and everything else by leading elsewhere. Keeps the headers that it got."""

    answer = (200, b'{"authentication_mode": "token"}')
    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        status, body = self.answer if self.path.startswith("/api/auth") else (302, b"")
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/api/authentication_mode")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a web server on this machine."""
    monkeypatch.setattr(Handler, "seen", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_port_where_nothing_listens_is_named_with_what_the_head_needs() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(
        NoAnswer, match=rf"no dashboard answers at http://127\.0\.0\.1:{port} \(Connection refused\);.*ray\["
    ):
        JobServer(f"127.0.0.1:{port}")


def test_a_port_that_speaks_something_else_is_named_without_what_it_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"\x00\x00\x18\x04 gRPC\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        port = listening.getsockname()[1]
        with pytest.raises(NoAnswer, match=rf"127\.0\.0\.1:{port} \(what listens there does not speak HTTP\); check"):
            JobServer(f"http://127.0.0.1:{port}")
        thread.join()


@pytest.mark.parametrize(("status", "body"), [(404, b"not here"), (200, b"<html>welcome</html>")])
def test_another_web_server_is_not_taken_for_a_job_server(
    status: int, body: bytes, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "answer", (status, body))
    with pytest.raises(NoAnswer, match=rf"does not answer as Ray's job server does \(HTTP {status}: {body.decode()}\)"):
        JobServer(server)


@pytest.mark.parametrize("address", ["ray://head:10001", "http://", "s3://bucket", "http://[::1"])
def test_what_is_no_address_of_a_web_server_is_refused(address: str) -> None:
    with pytest.raises(
        UsageError, match=r"is not the address of a job server; name the dashboard of its head: http://HEAD:8265"
    ):
        JobServer(address)


def test_a_machine_without_a_token_is_told_where_to_put_it(server: str) -> None:
    with pytest.raises(
        UsageError, match=r"asks for a token, but this machine has none; put the cluster's token in ~/\.ray/"
    ):
        JobServer(server)
    assert len(Handler.seen) == 1


def test_the_token_is_sent_only_if_it_is_asked_for_and_never_elsewhere(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    with pytest.raises(NoAnswer, match="HTTP 302"):
        JobServer(server)
    assert [seen.get("Authorization") for seen in Handler.seen] == [None, "Bearer secret"]
    Handler.seen.clear()
    monkeypatch.setattr(Handler, "answer", (200, b'{"authentication_mode": "disabled"}'))
    with pytest.raises(NoAnswer, match="HTTP 302"):
        JobServer(server)
    assert [seen.get("Authorization") for seen in Handler.seen] == [None, None]


def test_the_token_is_found_where_ray_looks_for_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token() is None
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("from home\n")
    assert find_token() == "from home"
    (home / "token").write_text("from a file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "token"))
    assert find_token() == "from a file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "itself")
    assert find_token() == "itself"


def test_a_token_file_that_is_lost_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "lost"))
    with pytest.raises(UsageError, match=r"RAY_AUTH_TOKEN_PATH: the file .*lost cannot be read \(No such file"):
        find_token()
