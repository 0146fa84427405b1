"""Processes of this machine, read from Linux's /proc, and which of them run trials."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TRIAL_WORKERS = ("ray::TrialOnWorker", "ray::ResourceTrainable")


@dataclass(frozen=True)
class Process:
    """One process. `state` is a letter as `ps` has it, `words` is its command line, which Ray replaces by a title."""

    pid: int
    state: str
    parent: int
    session: int
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """Its command line in one."""
        return " ".join(self.words).strip()

    @property
    def is_trial_worker(self) -> bool:
        """Whether it runs trials. Ray calls it by its class, or by that of its wrapper while it is within a step."""
        return self.command.startswith(_TRIAL_WORKERS)


def processes() -> Iterator[Process]:
    """Every process that there is; one that ends meanwhile is left out."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name before it stands in brackets, and may hold anything.
                state, parent, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            yield Process(int(entry.name), state, int(parent), int(session), tuple(words))


def descendants(root: int) -> list[Process]:
    """The process `root` and all that descend from it."""
    found = {process.pid: process for process in processes()}

    def descends(pid: int) -> bool:
        return pid == root or (pid in found and descends(found[pid].parent))

    return [process for process in found.values() if descends(process.pid)]


def resident_mb(pid: int) -> float:
    """The resident memory of a process, mebibytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
