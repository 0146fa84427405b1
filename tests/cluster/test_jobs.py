"""Searches as jobs of a real cluster, which is reached only over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders.fixtures import Call
from builders.searches import write_space
from tuner.ledger.run_directory import read_run

pytest.importorskip("opencensus", reason="a job server needs ray[default]")
pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TOKEN = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Head:
    """A head with a job server, and the folder of what it runs."""

    url: str
    folder: Path


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the head ended early with {process.returncode}"
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def head_process() -> Iterator[tuple[subprocess.Popen[bytes], Head]]:
    """A head on this machine with a token, and `tuner` on the PATH of its jobs."""
    with tempfile.TemporaryDirectory(prefix="tj-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "tuner").write_text(f'#!/bin/sh\nexec {sys.executable} -m tuner "$@"\n')
        (folder / "tuner").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        given = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0", "HOME": name}
        paths = {"PATH": f"{name}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
        port = free_port()
        command = (
            f"start --head --block --port={free_port()} --dashboard-port={port} --dashboard-host=127.0.0.1 --num-cpus=2"
        )
        ports = f"--dashboard-agent-listen-port={free_port()} --object-store-memory=100000000 --temp-dir={name}/r"
        process = subprocess.Popen(
            [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *command.split(), *ports.split()],
            env={**kept, **given, **paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            head = Head(f"http://127.0.0.1:{port}", folder)
            wait_for(lambda: answers(head.url), process)
            yield process, head
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def answers(url: str) -> bool:
    request = urllib.request.Request(f"{url}/api/version", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def head(head_process: tuple[subprocess.Popen[bytes], Head], monkeypatch: pytest.MonkeyPatch) -> Head:
    """The head, whose token this process has."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    return head_process[1]


def test_a_job_is_followed_killed_stopped_and_goes_on_until_its_run_is_finished(
    head: Head, head_process: tuple[subprocess.Popen[bytes], Head], tmp_path: Path, call: Call
) -> None:
    space = write_space(tmp_path, "multiclass", "label: kind")
    space.write_text(space.read_text().replace(str(tmp_path), ".").replace("max_epochs: 6", "max_epochs: 12"))
    job = ("--cluster", head.url, "--name", "night")
    search = ("submit", "space.yaml", *job, "--runs", str(tmp_path / "runs"))
    run = tmp_path / "runs" / "night"

    assert call(*search)[:2] == (0, "night\n")
    assert "and nothing has changed" in call(*search)[2]
    other = call(*search, "--set", "search.trials=5")
    assert other[0] == 2
    assert "it is for another space or other rows" in other[2]

    wait_for(lambda: list(run.glob("reports/*.parquet")), head_process[0])
    os.kill(json.loads((run / ".lock").read_text())["process"], signal.SIGKILL)
    code, log, said = call("submit", *job, "--follow")
    assert code == 1
    assert "starting the workers" in log
    assert "job night is FAILED; the run is unfinished; submit it again to go on with the run" in said

    assert call(*search)[1] == "night~2\n"
    wait_for(lambda: len(json.loads((run / "environment.json").read_text()).get("resumed", [])) == 1, head_process[0])
    code, _, said = call("submit", *job, "--stop")
    assert code == 0
    assert "job night~2 is STOPPED; the run is interrupted" in said

    code, log, said = call(*search, "--follow")
    assert code == 0
    assert "resumed: " in log
    assert "verdict: " in log
    assert read_run(run).status == "finished"
    code, _, said = call(*search)
    assert code == 0
    assert f"job night~3 has ended, and its run is finished: {run}" in said


def test_a_wrong_token_is_refused_with_the_place_for_the_right_one(
    head: Head, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 32)
    code, _, said = call("submit", "--cluster", head.url, "--name", "night", "--follow")
    assert code == 2
    assert "refuses this machine's token; put the cluster's token in ~/.ray/auth_token" in said
