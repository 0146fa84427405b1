"""The job server of a Ray cluster, spoken to over HTTP, so that no Ray is needed here.

The requests are those of Ray's Jobs REST API: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import Fault, NoAnswer, UsageError

PORT = 8265
"""Where a head's dashboard listens, unless it is told otherwise."""
OF_FINISHED = (0, 3)
"""Exit codes of tuner for a run that is finished: as --require asks, or not."""
_ANSWER_WITHIN_S = 30.0
_MOST_READ = 300  # characters of an answer that nobody expected
_ENDED = ("STOPPED", "SUCCEEDED", "FAILED")
TOKEN_REMEDY = (
    "put the cluster's token in ~/.ray/auth_token (`ray get-auth-token` on its head shows it) or in RAY_AUTH_TOKEN"
)


@dataclass(frozen=True)
class Job:
    """A job as its server knows it. `exit_code` is that of its command, None if the command has not ended by itself."""

    id: str
    status: str
    message: str = ""
    exit_code: int | None = None
    entrypoint: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self.status in _ENDED

    @property
    def has_finished_run(self) -> bool:
        """Whether tuner itself said that the run is finished. Ray would call a run that missed --require a failure."""
        return self.exit_code in OF_FINISHED


class JobServer:
    """A job server that answers, and that accepts this machine's token if it asks for one.

    `notes` are for people. Every request raises NoAnswer if the server does not answer as it should.
    """

    def __init__(self, address: str) -> None:
        """Connect to a head's dashboard, such as "http://head:8265". Raises UsageError that names what is wrong, and NoAnswer."""
        self.url = _url_of(address)
        self.notes: tuple[str, ...] = ()
        self._token: str | None = None
        self._opener = urllib.request.build_opener(_NoRedirect)
        mode = self._get("/api/authentication_mode").get("authentication_mode")
        if mode == "token":
            self._token = find_token()
            if self._token is None:
                what = f"the cluster at {self.url} asks for a token, but this machine has none"
                raise UsageError([Fault("--cluster", what, TOKEN_REMEDY)])
        else:
            self.notes = (
                f"the cluster at {self.url} has no authentication, so anyone who reaches it can run code on it; "
                "start its Ray with RAY_AUTH_MODE=token",
            )
        self._get("/api/version")  # of the job server itself; also shows whether the token is right

    def jobs(self) -> list[Job]:
        """Return every job that was submitted to the cluster since its head started."""
        return [_to_job(each) for each in self._get("/api/jobs/") if each.get("submission_id")]

    def job(self, id_: str) -> Job | None:
        """Return a job, None if the server does not know it."""
        status, answer = self._request("GET", f"/api/jobs/{id_}")
        return None if status == http.HTTPStatus.NOT_FOUND else _to_job(self._read(status, answer))

    def log(self, id_: str) -> str:
        """Return everything that a job has printed so far."""
        return str(self._get(f"/api/jobs/{id_}/logs").get("logs") or "")

    def submit(self, id_: str, entrypoint: str, *, runtime_env: Mapping[str, Any], metadata: Mapping[str, str]) -> bool:
        """Submit a job. Return whether there was none of this id yet; a second one is not started."""
        request = {
            "submission_id": id_,
            "entrypoint": entrypoint,
            "runtime_env": runtime_env,
            "metadata": metadata,
        }
        status, answer = self._request("POST", "/api/jobs/", json.dumps(request).encode())
        if status != http.HTTPStatus.OK and b"already exists" in answer:
            return False
        self._read(status, answer)
        return True

    def stop(self, id_: str) -> None:
        """Ask a job to end: SIGTERM, and SIGKILL after a time that its environment sets. Does not wait for the end."""
        self._read(*self._request("POST", f"/api/jobs/{id_}/stop", b""))

    def upload(self, name: str, content: bytes) -> str:
        """Upload a package, unless the cluster has it, and return its address for `runtime_env`."""
        path = f"/api/packages/gcs/{name}"
        status, answer = self._request("GET", path)
        if status == http.HTTPStatus.NOT_FOUND:
            status, answer = self._request("PUT", path, content)
        if status != http.HTTPStatus.OK:
            raise self._unexpected(status, answer)
        return f"gcs://{name}"

    def _get(self, path: str) -> Any:
        return self._read(*self._request("GET", path))

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        request.add_header("User-Agent", "tuner")
        if body is not None:
            request.add_header("Content-Type", "application/octet-stream" if method == "PUT" else "application/json")
        if self._token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=_ANSWER_WITHIN_S) as answer:
                return int(answer.status), bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"no dashboard answers at {self.url} ({_reason(error)})"
            remedy = (
                f"check the address and the port ({PORT}, unless the head has another); the head needs ray[default], and "
                "`ray start --head --dashboard-host=0.0.0.0` to be reached from other machines"
            )
            raise NoAnswer([Fault("--cluster", what, remedy)]) from error

    def _read(self, status: int, answer: bytes) -> Any:
        """Return the JSON of an answer. Raises UsageError if the token is wrong, and NoAnswer for anything else."""
        if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            what = f"the cluster at {self.url} refuses this machine's token"
            raise UsageError([Fault("--cluster", what, TOKEN_REMEDY)])
        if status != http.HTTPStatus.OK:
            raise self._unexpected(status, answer)
        try:
            return json.loads(answer)
        except ValueError:
            raise self._unexpected(status, answer) from None

    def _unexpected(self, status: int, answer: bytes) -> NoAnswer:
        lines = answer.decode(errors="replace").strip().splitlines() or [""]
        what = f"the server at {self.url} does not answer as Ray's job server does (HTTP {status}: {lines[-1][:_MOST_READ]})"
        remedy = f"name the dashboard of the cluster's head, such as http://HEAD:{PORT}; its log is dashboard.log on the head"
        return NoAnswer([Fault("--cluster", what, remedy)])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, which would take the token to another place."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _reason(error: Exception) -> str:
    """Return why no answer came, in words."""
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return "what listens there does not speak HTTP"  # as Ray's own port 6379
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def find_token() -> str | None:
    """Return this machine's token from where Ray looks for it, None if there is none. Raises UsageError for a lost file."""
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if token:
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return path.read_text().strip() or None
    except OSError as error:
        if named:
            what = f"the file {named} cannot be read ({error.strerror})"
            raise UsageError([Fault("RAY_AUTH_TOKEN_PATH", what, TOKEN_REMEDY)]) from error
        return None


def _url_of(address: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # such as half of an IPv6 address
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        remedy = f"name the dashboard of its head: http://HEAD:{PORT}"
        raise UsageError([Fault("--cluster", f"{address!r} is not the address of a job server", remedy)])
    return url.rstrip("/")


def _to_job(described: Mapping[str, Any]) -> Job:
    return Job(
        id=str(described["submission_id"]),
        status=str(described["status"]),
        message=str(described.get("message") or ""),
        exit_code=described.get("driver_exit_code"),
        entrypoint=str(described.get("entrypoint") or ""),
        metadata=described.get("metadata") or {},
    )
