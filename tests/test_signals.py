"""A signal ends a process with an exit code, even if a library catches every exception."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tuner.signals import holding_signals, raise_if_interrupted, sigterm_as_interrupt

INTERRUPTED_IN_EXEC = """\
import signal, sys
from tuner.signals import handling_sigint, sigterm_as_interrupt

with handling_sigint(), sigterm_as_interrupt():
    try:
        exec("signal.raise_signal(signal.{name})")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_an_interrupted_process_ends_with_its_exit_code(name: str, tmp_path: Path) -> None:
    """Python's own KeyboardInterrupt would kill it with SIGINT."""
    (tmp_path / "probe.py").write_text(INTERRUPTED_IN_EXEC.format(name=name))
    root = Path(__file__).resolve().parents[1]
    as_module = subprocess.run([sys.executable, "-m", "probe"], cwd=tmp_path, env={"PYTHONPATH": str(root)})
    assert as_module.returncode == 130


def test_a_swallowed_interrupt_is_raised_again_until_another_block_begins() -> None:
    with sigterm_as_interrupt(), sigterm_as_interrupt():
        raise_if_interrupted()
        with suppress(BaseException):  # as some libraries do
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    with sigterm_as_interrupt():
        raise_if_interrupted()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_held_signal_arrives_after_the_block(number: signal.Signals) -> None:
    reached = list[str]()

    def signalled_twice() -> None:
        with holding_signals():
            signal.raise_signal(number)
            signal.raise_signal(number)
            reached.append("the end of the block")
        reached.append("after it")

    with sigterm_as_interrupt(), pytest.raises(KeyboardInterrupt):
        signalled_twice()
    assert reached == ["the end of the block"]


INTERRUPTED_WHILE_RAY_STOPS = """\
import os, signal, sys, threading, time
import ray
from tuner.ray_backend.start import start_ray, stop_ray
from tuner.signals import handling_sigint
from tuner.space.search_settings import ResourceSettings

start_ray(None, ResourceSettings(concurrent=1))
with handling_sigint():
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        stop_ray()
        time.sleep(1)  # the signal may come late
    except KeyboardInterrupt:
        assert not ray.is_initialized()
        sys.exit(130)
"""


@pytest.mark.cluster
def test_an_interrupt_does_not_leave_ray_half_stopped() -> None:
    """Ray would end the process with exit code 1 later."""
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_WHILE_RAY_STOPS], capture_output=True, text=True)
    assert ended.returncode == 130, ended.stderr


INTERRUPTED_WHILE_IT_ENDS = """\
import os, signal, sys
import click
import tuner.__main__ as command

def echo_and_interrupt(*arguments, **options):
    print(*arguments, file=sys.stderr)
    os.kill(os.getpid(), signal.SIGINT)

command.click.echo = echo_and_interrupt
sys.argv = ["tuner", "show", "nothing-here"]
command.run_and_leave()
"""


def test_an_interrupt_while_a_command_ends_does_not_change_its_exit_code() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_WHILE_IT_ENDS], capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
