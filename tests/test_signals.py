"""A signal ends a process with an exit code, even if a library catches every exception."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tuner.signals import raise_if_interrupted, sigterm_as_interrupt

INTERRUPTED_IN_EXEC = """\
import signal, sys
from tuner.signals import handle_sigint, sigterm_as_interrupt

handle_sigint()
with sigterm_as_interrupt():
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
