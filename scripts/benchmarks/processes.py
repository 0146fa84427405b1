"""The processes of this machine, read from Linux's /proc, and which of them run trials."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TRIAL_WORKERS = ("ray::TrialOnWorker", "ray::ResourceTrainable")


@dataclass(frozen=True)
class Process:
    """One process. `state` is the letter that `ps` shows. `words` is the command line, which Ray replaces by a title."""

    pid: int
    state: str
    parent: int
    session: int
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line as one string."""
        return " ".join(self.words).strip()

    @property
    def is_trial_worker(self) -> bool:
        """Whether it runs trials. Ray names it after its class, or after the wrapper's class during a step."""
        return self.command.startswith(_TRIAL_WORKERS)


def processes() -> Iterator[Process]:
    """Yield every process, without those that end meanwhile."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name comes first, in brackets, and may hold any character.
                state, parent, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            yield Process(int(entry.name), state, int(parent), int(session), tuple(words))


def descendants(root: int) -> list[Process]:
    """Return the process `root` and all its descendants."""
    by_pid = {process.pid: process for process in processes()}

    def descends(pid: int) -> bool:
        return pid == root or (pid in by_pid and descends(by_pid[pid].parent))

    return [process for process in by_pid.values() if descends(process.pid)]


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in mebibytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
