"""Many rare labels: does the score rank predictors as macro-F1 on fresh rows does?"""

from __future__ import annotations

from benchmarks.row import Row


def measure() -> list[Row]:
    return []
