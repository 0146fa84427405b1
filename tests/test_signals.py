"""What a signal raises ends a process by an exit code, and is not lost where something catches everything."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tuner.signals import raise_if_interrupted, sigterm_as_interrupt

INTERRUPTED_IN_A_TEXT = """\
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
def test_an_interrupted_process_ends_by_its_exit_code(name: str, tmp_path: Path) -> None:
    """With Python's own KeyboardInterrupt it would end by SIGINT."""
    (tmp_path / "probe.py").write_text(INTERRUPTED_IN_A_TEXT.format(name=name))
    root = Path(__file__).resolve().parents[1]
    as_module = subprocess.run([sys.executable, "-m", "probe"], cwd=tmp_path, env={"PYTHONPATH": str(root)})
    assert as_module.returncode == 130


def test_an_interrupt_that_was_caught_is_raised_again_until_another_block_begins() -> None:
    with sigterm_as_interrupt(), sigterm_as_interrupt():
        raise_if_interrupted()
        with suppress(BaseException):  # as some libraries do
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    with sigterm_as_interrupt():
        raise_if_interrupted()
