"""How much memory is free, from a made-up /proc and /sys; and the pause of the garbage collector."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tuner.machine import available_bytes, uncollected


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


FREE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n"}


def test_without_proc_memory_is_unknown(tmp_path):
    assert available_bytes(tmp_path) is None


def test_without_a_limit_linux_says_how_much_is_available(tmp_path):
    unlimited = {"proc/self/cgroup": "0::/user\n", "sys/fs/cgroup/user/memory.max": "max\n"}
    assert available_bytes(write(tmp_path, FREE)) == 8000 * 1024
    assert available_bytes(write(tmp_path, FREE | unlimited)) == 8000 * 1024


@pytest.mark.parametrize("limited", ["user", "user/run", ""], ids=["the group above", "its own", "the container's"])
def test_the_tightest_control_group_counts_and_cached_files_count_as_free(limited, tmp_path):
    folder = f"sys/fs/cgroup/{limited}".rstrip("/")
    groups = {
        "proc/self/cgroup": "0::/user/run\n",
        f"{folder}/memory.max": "3000000\n",
        f"{folder}/memory.current": "1000000\n",
        f"{folder}/memory.stat": "anon 500\ninactive_file 400000\n",
    }
    assert available_bytes(write(tmp_path, FREE | groups)) == 2_400_000


def test_control_groups_version_1_work_too(tmp_path):
    own = "sys/fs/cgroup/memory/docker"
    groups = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker\n3:memory:/docker\n",
        f"{own}/memory.limit_in_bytes": "3000000\n",
        f"{own}/memory.usage_in_bytes": "1000000\n",
        f"{own}/memory.stat": "total_inactive_file 0\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000000\n",
    }
    assert available_bytes(write(tmp_path, FREE | groups)) == 2_000_000


def test_the_collector_pauses_and_then_goes_on() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
