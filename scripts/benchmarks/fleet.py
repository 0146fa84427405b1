"""Processes that train side by side on one device, and NVIDIA's Multi-Process Service for them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Self

START_S = 120.0
LATE_S = 30.0


class Fleet:
    """As many processes as trials, each with a model of its own. Use it in a `with` block."""

    def __init__(self, count: int, configuration: Any, data: Any, settings: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._members: list[tuple[Any, Connection]] = []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, configuration, data, settings), daemon=True)
            process.start()
            there.close()  # so that the end of the process shows here
            self._members.append((process, here))

    def __enter__(self) -> Self:
        try:
            for _, connection in self._members:
                _receive(connection, START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process, _ in self._members:
            process.kill()
        for process, _ in self._members:
            process.join()

    def steps_per_second(self, count: int, seconds: float) -> float:
        """Return the steps a second of `count` processes together, while the others wait."""
        chosen = self._members[:count]
        for _, connection in chosen:
            connection.send(seconds)
        return sum(_receive(connection, seconds + LATE_S) for _, connection in chosen)


def _receive(connection: Connection, timeout_s: float) -> float:
    if not connection.poll(timeout_s):
        raise TimeoutError(f"a process sent nothing within {timeout_s:.0f} s")
    received = connection.recv()
    if isinstance(received, str):
        raise RuntimeError(f"a process failed: {received}")
    return float(received)


def _serve(connection: Connection, configuration: Any, data: Any, settings: Any) -> None:
    from tuner.trial.probe import TrialProbe

    try:
        probe = TrialProbe(configuration, data, settings)
        connection.send(0.0)
        while True:
            connection.send(probe.steps_per_second(connection.recv()))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - shown by the parent
        connection.send(f"{type(error).__name__}: {error}")


@contextmanager
def mps() -> Iterator[str | None]:
    """Start the Multi-Process Service for processes that are started inside. Yield None, or why it did not start."""
    if shutil.which("nvidia-cuda-mps-control") is None:
        yield "there is no nvidia-cuda-mps-control"
        return
    with tempfile.TemporaryDirectory(prefix="tuner-mps-") as folder:
        variables = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        os.environ.update(variables)
        try:
            started = subprocess.run(
                ["nvidia-cuda-mps-control", "-d"], capture_output=True, text=True, timeout=30, check=False
            )
            problem = (started.stderr or started.stdout).strip() or f"exit code {started.returncode}"
            yield problem if started.returncode else None
        finally:
            subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, timeout=60, check=False)
            for name in variables:
                del os.environ[name]
