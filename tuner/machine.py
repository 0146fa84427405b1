"""What this machine has for a process: cores, and memory by what Linux has free and what its control groups leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_NO_LIMIT = 1 << 60  # version 1 of control groups writes a number like this where there is none


def count_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes that can be taken without swapping, the least of what the system and its limits say.

    Reads /proc/meminfo and the control group of this process and of those around it (versions 1 and 2), below `root`.
    Returns None where there is no /proc/meminfo, as on macOS.
    """
    free = _number_after(root / "proc/meminfo", "MemAvailable:")
    if free is None:
        return None
    return max(0, min(1024 * free, *_left_by_groups(root)))


def _left_by_groups(root: Path) -> Iterator[int]:
    yield _NO_LIMIT
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _left(root / "sys/fs/cgroup", path, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(root / "sys/fs/cgroup/memory", path, names)


def _left(mount: Path, path: str, names: tuple[str, str, str]) -> Iterator[int]:
    """What each group on the way from `path` up to the mount leaves; a container may not see its own name."""
    limit_name, used_name, cached_name = names
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        if limit is not None and used is not None and limit < _NO_LIMIT:
            yield limit - used + (_number_after(folder / "memory.stat", cached_name) or 0)  # cached files make room
        if folder == mount:
            return


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None  # "max" where there is no limit


def _number_after(path: Path, name: str) -> int | None:
    found = (line.split()[1] for line in _lines(path) if line.split()[:1] == [name])
    return next((int(value) for value in found), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
