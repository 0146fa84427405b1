"""What a local Ray listens on and whom it answers, and what a run says about the cluster that it joins."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.processes import descendants

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="listening sockets are read from Linux's /proc"),
]

START = """
import json, os, sys
from tuner.ray_backend.start import start_ray, stop_ray
from tuner.space.search_settings import ResourceSettings
start_ray(None, ResourceSettings(concurrent=1))
import ray
held = ray.remote(num_cpus=0)(type("Held", (), {"answer": lambda self: True})).remote()
ray.get(held.answer.remote())
where = {"address": ray.get_runtime_context().gcs_address, "token": os.environ["RAY_AUTH_TOKEN"]}
where["folder"] = ray._private.worker._global_node.get_temp_dir_path()
print(json.dumps(where), flush=True)
sys.stdin.read()
stop_ray()
print(json.dumps({name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}))
"""
RUN_A_TASK = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
    print(ray.get(ray.remote(num_cpus=0)(lambda: 6 * 7).remote(), timeout=30))
except ConnectionError as error:
    print("refused")
"""
JOIN = """
import sys
from tuner.errors import UsageError
from tuner.ray_backend.start import start_ray, stop_ray
from tuner.space.search_settings import ResourceSettings
try:
    print(start_ray(sys.argv[1], ResourceSettings()).notes)
except UsageError as error:
    print(error)
finally:
    stop_ray()
"""
WRONG = "0123456789abcdef" * 4


@dataclass(frozen=True)
class LocalRay:
    pid: int
    address: str
    token: str
    folder: str
    home: Path


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment, without tokens and with a home that has none."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(home), "RAY_NUM_REDIS_GET_RETRIES": "1", **more}


def ask(script: str, address: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, address]
    return subprocess.run(command, env=environment(home, **more), capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRay]:
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        where = json.loads(process.stdout.readline())
        yield LocalRay(process.pid, **where, home=home)
        rest, _ = process.communicate(timeout=60)
        assert json.loads(rest) == {"RAY_AUTH_MODE": None, "RAY_AUTH_TOKEN": None}  # as it was before Ray
    finally:
        process.kill()


def processes_of(root: int) -> dict[int, str]:
    """The process and its descendants: process number to name."""
    return {each.pid: "driver" if each.pid == root else Path(each.words[0]).name for each in descendants(root)}


def sockets_of(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds; none if it has ended."""
    inodes = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = descriptor.readlink().name
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1])
    return inodes


def listening() -> dict[str, tuple[str, int]]:
    """Address and port of every listening TCP socket of the machine, by inode."""
    addresses = {}
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            host, port = local.split(":")
            words = bytes.fromhex(host)
            packed = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
            if state == "0A":
                addresses[rest[5]] = (socket.inet_ntop(family, packed), int(port, 16))
    return addresses


def sockets_by_name(local_ray: LocalRay) -> dict[str, list[tuple[str, int]]]:
    """The addresses on which each kind of process listens."""
    open_sockets = listening()
    by_name: dict[str, list[tuple[str, int]]] = {}
    for pid, name in processes_of(local_ray.pid).items():
        kind = "worker" if name.startswith("ray::") and name != "ray::RuntimeEnvAgent" else name.removeprefix("ray::")
        addresses = [open_sockets[inode] for inode in sockets_of(pid) if inode in open_sockets]
        if addresses:
            by_name.setdefault(kind, []).extend(addresses)
    return by_name


def test_everything_that_ray_starts_listens_on_this_machine_only(local_ray):
    """See start_ray's docstring. Ray's dashboard and its agent would listen too, but they are off."""
    by_name = sockets_by_name(local_ray)
    assert set(by_name) == {"driver", "gcs_server", "raylet", "RuntimeEnvAgent", "worker"}
    addresses = {host.removeprefix("::ffff:") for each in by_name.values() for host, _ in each}
    assert addresses == {"127.0.0.1"}


def test_unix_sockets_are_in_a_folder_that_nobody_else_can_enter(local_ray):
    inodes = {inode for pid in processes_of(local_ray.pid) for inode in sockets_of(pid)}
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    paths = {Path(row[7]) for row in rows if len(row) > 7 and row[6] in inodes and row[7].startswith("/")}
    assert {path.name for path in paths} >= {"plasma_store", "raylet"}
    for path in paths:
        assert any(parent.stat().st_mode & 0o077 == 0 for parent in path.parents), path


@pytest.mark.parametrize(
    ("shown", "answer"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "refused"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": WRONG}, "refused"),
        ({"RAY_AUTH_MODE": "token"}, "42"),
    ],
    ids=["no token", "a wrong token", "the run's token"],
)
def test_only_a_client_with_the_runs_token_can_run_a_task(shown: Mapping[str, str], answer, local_ray, tmp_path):
    has_runs_token = shown["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN" not in shown
    token = {"RAY_AUTH_TOKEN": local_ray.token} if has_runs_token else {}
    # As start_ray sets it. Without it Ray replaces 127.0.0.1 by this machine's outer address, where nothing answers.
    done = ask(RUN_A_TASK, local_ray.address, tmp_path, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", **shown, **token)
    assert done.stdout.strip() == answer, done.stderr
    assert ("InvalidAuthToken" in done.stderr) == (answer == "refused")


def test_rays_http_agent_refuses_requests_without_a_token(local_ray):
    ((host, port),) = sockets_by_name(local_ray)["RuntimeEnvAgent"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://{host}:{port}/get_runtime_envs_info", data=b"", timeout=10)


def test_the_token_is_in_no_file_and_no_command_line(local_ray):
    assert not (local_ray.home / ".ray").exists()
    commands = [" ".join(each.words).encode() for each in descendants(local_ray.pid)]
    assert len(commands) > 3
    files = [path for path in Path(local_ray.folder).rglob("*") if path.is_file()]
    assert any(path.name.startswith("gcs_server") for path in files)
    for content in [*commands, *(path.read_bytes() for path in files)]:
        assert local_ray.token.encode() not in content


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "asks for a token, but this machine has none"),
        (WRONG, "refuses this machine's token"),
        ("the cluster's", "()"),
    ],
    ids=["no token", "a wrong token", "its token"],
)
def test_joining_a_cluster_that_asks_for_a_token_says_at_once_what_is_wrong_with_it(
    token, message, local_ray, tmp_path
):
    shown = {"RAY_AUTH_TOKEN": local_ray.token if token == "the cluster's" else token} if token else {}
    done = ask(JOIN, local_ray.address, tmp_path, **shown)
    assert message in done.stdout, done.stderr
    assert "RPC" not in done.stderr
    assert "RAY_BACKEND_LOG_LEVEL" not in done.stderr  # Ray says that it has read it


@pytest.fixture
def open_cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a one-machine cluster that asks for no token."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    # Pytest's paths are too long for Unix sockets.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        head = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")),
                "start",
                "--head",
                "--block",
                f"--port={port}",
                "--num-cpus=1",
            ],
            env=environment(tmp_path, RAY_AUTH_MODE="disabled", RAY_TMPDIR=folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not Path(folder, "ray", "ray_current_cluster").exists():
                assert head.poll() is None, head.stderr.read()
                assert time.monotonic() < deadline, "Ray did not start"
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)
            head.communicate()


def test_joining_a_cluster_without_authentication_says_that_anyone_can(open_cluster, tmp_path):
    # This machine's token is not sent to a cluster that asks for none.
    done = ask(JOIN, open_cluster, tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=WRONG)
    assert "has no authentication" in done.stdout, done.stderr
    assert "ray get-auth-token --generate" in done.stdout
