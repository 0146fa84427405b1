"""The list of benchmarks, and how to run one."""

from __future__ import annotations

import importlib

from benchmarks.row import Row

NAMES = (
    "startup",
    "gate",
    "throughput",
    "loop",
    "precision",
    "overhead",
    "scale",
    "history",
    "occupancy",
    "goemotions",
    "reach",
    "coverage",
    "trust",
    "diagnosis",
    "memory",
    "plan",
    "corners",
    "budget",
    "faults",
    "gpu",
    "store",
)
ONLY_BY_NAME = (
    "scale",
    "history",
    "goemotions",
    "reach",
    "coverage",
    "trust",
    "diagnosis",
    "memory",
    "corners",
    "budget",
    "faults",
    "gpu",
    "store",
)


def measure(name: str) -> list[Row]:
    """Run a benchmark in this process."""
    rows: list[Row] = importlib.import_module(f"benchmarks.{name}").measure()
    return rows


def first_line(name: str) -> str:
    """Return the first line of a benchmark's docstring."""
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]
