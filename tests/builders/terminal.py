"""Call the command line in a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
from pathlib import Path
from threading import Thread

import pytest

from tuner.__main__ import main

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def call_in_terminal(*arguments: str, columns: int, folder: Path, code: int = 0) -> list[str]:
    """Call `tuner ARGUMENTS` in `folder`, with stdout on a terminal that wide. Return the lines it prints, without styles."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    parts: list[bytes] = []
    reader = Thread(target=_read_all, args=(master, parts))
    reader.start()
    terminal = os.fdopen(slave, "w", encoding="utf-8")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.delenv("COLUMNS", raising=False)
            patch.setenv("TERM", "xterm-256color")
            patch.setattr(sys, "argv", ["tuner", *arguments])
            patch.setattr(sys, "__stdout__", terminal)
            patch.setattr(sys, "stdout", terminal)
            patch.setattr(sys, "stderr", sys.stderr)
            with pytest.raises(SystemExit) as exit_:
                main()
    finally:
        terminal.close()
        reader.join(timeout=30)
        os.close(master)
    assert int(exit_.value.code or 0) == code
    return _STYLE.sub("", b"".join(parts).decode()).replace("\r\n", "\n").splitlines()


def _read_all(master: int, parts: list[bytes]) -> None:
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            return
        if not part:
            return
        parts.append(part)
