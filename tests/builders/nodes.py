"""A Ray cluster on this machine whose nodes differ by accident: each is a raylet with a Python and mounts of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

RAY = "from ray.scripts.scripts import main; main()"
_STARTS_WITHIN_S = 90.0


@dataclass
class Nodes:
    """The nodes that a test has started, and where the driver finds them."""

    address: str
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a driver or a node. Nobody asks for a token."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        patient = {"RAY_raylet_start_wait_time_s": "120"}  # on a busy machine
        folders = {"RAY_TMPDIR": str(self.folder), "HOME": str(self.folder)}
        return {**kept, **patient, **folders, "RAY_AUTH_MODE": "disabled"}

    def start(
        self,
        *options: str,
        is_head: bool = False,
        python: Path = Path(sys.executable),
        without: Path | None = None,
        **environment: str | None,
    ) -> subprocess.Popen[str]:
        """Start a node. It has no part in the folder `without`: an empty one is mounted over it."""
        host, port = self.address.split(":")
        place = ["--head", f"--port={port}", "--include-dashboard=false"] if is_head else [f"--address={self.address}"]
        command = [str(python), "-P", "-c", RAY, "start", "--block", f"--node-ip-address={host}", *place, *options]
        if without is not None:
            mount = f"mount -t tmpfs none {shlex.quote(str(without))} && exec {shlex.join(command)}"
            command = ["unshare", "--mount", "sh", "-c", mount]
        changed = {**self.environment, **environment}
        process = subprocess.Popen(
            command,
            env={name: value for name, value in changed.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        deadline, output = time.monotonic() + _STARTS_WITHIN_S, ""
        while "Ray runtime started" not in output:
            line = process.stdout.readline() if process.stdout else ""
            output += line
            assert line, output
            assert time.monotonic() < deadline, output
        return process

    def stop(self) -> None:
        """Kill all nodes, the head last."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@contextmanager
def cluster(*options: str) -> Iterator[Nodes]:
    """Start a head with these options of `ray start`. All nodes end with the block."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    # Pytest's paths are too long for Unix sockets.
    with TemporaryDirectory(prefix="tn-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(f"127.0.0.1:{port}", Path(folder))
        try:
            nodes.start(*options, is_head=True)
            yield nodes
        finally:
            nodes.stop()


def python_without_tuner(folder: Path) -> Path:
    """Return a Python that has all packages of this one but tuner: it does not process the file that adds tuner's folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site, here = (
        next(folder.glob("lib/python3*/site-packages")),
        next(p for p in sys.path if p.endswith("site-packages")),
    )
    Path(site, "packages.pth").write_text(f"{here}\n")
    return folder / "bin" / "python"
