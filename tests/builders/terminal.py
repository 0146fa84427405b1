"""Run the command line in a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def call_in_terminal(*arguments: str, columns: int, folder: Path) -> list[str]:
    """Return the lines that `tuner ARGUMENTS` prints to stdout on a terminal of that width, without styles."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", *arguments],
        stdout=slave,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(slave)
    content = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        content += part
    os.close(master)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return _STYLE.sub("", content.decode()).replace("\r\n", "\n").splitlines()
