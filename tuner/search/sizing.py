"""Settle what a space leaves to the search as `auto`, once the rows are known. Pure functions."""

from __future__ import annotations

from tuner.space.assignment import assignment
from tuner.space.auto import left_to_search, report_before
from tuner.space.load import Space, changed

_MOST_EPOCHS = 40.0
_FEW_ROWS = 300  # train for that many epochs
_EXPONENT = 0.43  # of the rows: 5 epochs on 40,000 rows, 1.2 on a million


def settle(space: Space, rows: int) -> Space:
    """Return the space with a number in the place of each `auto`."""
    auto = left_to_search(space.document)
    if not auto:
        return space
    search = space.search
    epochs = min(_MOST_EPOCHS, _MOST_EPOCHS * (_FEW_ROWS / rows) ** _EXPONENT)
    epochs = float(f"{epochs:.2g}") if "search.max_epochs" in auto else search.max_epochs
    reports = 2 if "search.reports_per_epoch" in auto else search.reports_per_epoch
    grace = report_before(epochs / 6, reports_per_epoch=reports)
    numbers = {
        "search.max_epochs": max(epochs, grace),
        "search.grace_epochs": grace,
        "search.reports_per_epoch": reports,
        "search.finalists": 2,
        "search.seeds": 2,
        "space.batch_size": 32 if rows < 5_000 else 64,
    }
    return changed(space, [assignment(name, numbers[name]) for name in sorted(auto)])
