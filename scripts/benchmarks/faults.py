"""Real faults in real searches: finished trials lost and run again, and seconds until trials run again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.row import Row, at_most, explains

MODULES = ("kills", "interrupts", "changes", "nodes", "storage", "store", "trials", "soak")
SEED = 0


def measure() -> list[Row]:
    """Cause every fault once, or as often as the fault itself asks for, each in a folder of its own."""
    return [row for fault in faults() for row in _rows_of(fault)]


def faults() -> Iterator[Callable[..., Any]]:
    """Yield every fault."""
    for name in MODULES:
        yield from import_module(f"faults.{name}").FAULTS


def _rows_of(fault: Callable[..., Any]) -> Sequence[Row]:
    name = fault.__name__.replace("_", " ")
    print(f"  {name} …", flush=True)
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        try:
            outcome = fault(Path(folder), seed=SEED)
        except Exception as error:  # noqa: BLE001 - the other faults still have figures to give
            message = f"{type(error).__name__}: {error}"
            print(f"    does not hold: {message}", flush=True)  # print it now: the whole table may take another hour
            return [Row(name=name, asked="holds", measured=None, unit="", holds=False, detail=message[:2000])]
    print(f"    holds, {outcome.times} times", flush=True)
    details = {key: value for key, value in asdict(outcome).items() if key in ("times", "notes") and value}
    rows = [
        at_most(f"{name}: finished trials lost", 0, outcome.lost, "trials", f"{outcome.fault}: {details}"),
        at_most(f"{name}: finished trials run again", 0, outcome.repeated, "trials"),
    ]
    if outcome.seconds:
        ends = f"from {min(outcome.seconds):.1f} to {max(outcome.seconds):.1f} s"
        rows.append(explains(f"{name}: until trials run again", median(outcome.seconds), "s", ends))
    return rows
