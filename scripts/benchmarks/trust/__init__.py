"""Is what tuner says true? Simulations of score, intervals, verdict, gate and advice.

Each topic is a module with a function `measure`. A few hundred repeats take minutes; the quick parts are tests too.
"""

from __future__ import annotations

import importlib

from benchmarks.row import Row

TOPICS = ("ranking", "dependence", "small_splits", "coverage", "gate_curves", "champion", "committee", "duds", "signal")


def measure() -> list[Row]:
    """Run every topic in turn, and print its name when it starts."""
    rows: list[Row] = []
    for topic in TOPICS:
        print(f"  {topic} …", flush=True)
        rows += importlib.import_module(f"benchmarks.trust.{topic}").measure()
    return rows
