"""The cores, memory and GPUs that this process may use, within the limits of its Linux control groups; its garbage collector."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LIMIT = 1 << 60  # version 1 of control groups writes a number this large for "no limit"


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector. Importing torch creates a million objects that stay, and looking at them takes 0.1 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpus() -> bool:
    """Return whether this machine has an NVIDIA GPU, whatever PyTorch can do with it."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes that can be allocated without swapping: the free memory of the system or of a limit, if that is less.

    Reads /proc/meminfo and the control groups (versions 1 and 2) of this process and of its ancestors, below `root`. Returns
    None if there is no /proc/meminfo, as on macOS.
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
    """Yield the bytes left in each group, from `path` up to the mount. A container may not see its own group."""
    limit_name, used_name, cached_name = names
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        if limit is not None and used is not None and limit < _NO_LIMIT:
            yield (
                limit - used + (_number_after(folder / "memory.stat", cached_name) or 0)
            )  # the kernel can drop cached files
        if folder == mount:
            return


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None  # "max" means no limit


def _number_after(path: Path, name: str) -> int | None:
    values = (line.split()[1] for line in _lines(path) if line.split()[:1] == [name])
    return next((int(value) for value in values), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
