"""The commands in cluster.yaml start a cluster, as far as one machine allows. Only ssh is left out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEADLINE_S = 90
NODES = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=50)
for node in ray.nodes():
    print(node["Alive"], node["DeathReasonMessage"])
"""
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in Linux's /proc"),
]


@dataclass(frozen=True)
class Nodes:
    """Nodes of a cluster, each with a home folder of its own on this machine."""

    folder: Path
    address: str

    def start(self, name: str, role: str, *, token: str | None = "c0ffee" * 8) -> subprocess.CompletedProcess[str]:
        """Run what the cluster file runs to start Ray on a node: what it mounts, and its last start command."""
        config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        home = self.folder / name
        for remote in config["file_mounts"]:
            mounted = home / remote.removeprefix("~/")
            mounted.parent.mkdir(parents=True, exist_ok=True)
            if remote == "~/tuner":
                mounted.symlink_to(ROOT)
            elif token is not None:
                mounted.write_text(token)
        command = config[f"{role}_start_ray_commands"][-1].replace("6379", self.address.partition(":")[2])
        command = command.replace("--autoscaling-config=~/ray_bootstrap_config.yaml", "--include-dashboard=false")
        return subprocess.run(
            ["bash", "-c", command],
            env=self.environment(home),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def environment(self, home: Path) -> dict[str, str]:
        """A node's environment, with the programs of this Python."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"HOME": str(home), "PATH": path, "RAY_HEAD_IP": "127.0.0.1", "RAY_TMPDIR": str(self.folder)}
        return {**kept, **own, "RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_REDIS_GET_RETRIES": "1"}

    def processes(self, name: str) -> list[int]:
        """The `ray start` of a node comes first, then all that it started."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"HOME={self.folder / name}".encode() in environment:
                found.append((b"--block" not in words, int(process.name)))
        return [pid for _, pid in sorted(found)]

    def describe(self) -> str:
        """What Ray says about its nodes, to a client with the token of the head."""
        environment = {**self.environment(self.folder / "head"), "RAY_AUTH_MODE": "token"}
        command = [sys.executable, "-c", NODES, self.address]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=True
        ).stdout


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        nodes = Nodes(Path(folder), f"127.0.0.1:{port}")
        try:
            yield nodes
        finally:
            for name in ("worker", "head"):
                for pid in nodes.processes(name):
                    os.kill(pid, signal.SIGKILL)


def test_the_cluster_file_starts_nodes_that_share_its_token_and_drain_on_sigterm(nodes):
    for name, role in (("head", "head"), ("worker", "worker")):
        done = nodes.start(name, role)
        assert done.returncode == 0, done.stderr
    stranger = nodes.start("stranger", "worker", token="decaf0" * 8)
    assert stranger.returncode == 1
    assert "InvalidAuthToken" in stranger.stderr
    assert nodes.describe().splitlines() == ["True "] * 2
    os.kill(nodes.processes("worker")[0], signal.SIGTERM)
    deadline = time.monotonic() + DEADLINE_S
    while nodes.processes("worker"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "False Node received SIGTERM; draining before shutdown." in nodes.describe()


def test_a_node_without_the_token_says_so_at_once(nodes):
    done = nodes.start("head", "head", token=None)
    assert done.returncode == 1
    assert "no authentication token was found" in done.stderr
    assert "error: Ray did not start" in done.stderr
