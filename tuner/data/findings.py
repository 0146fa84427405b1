"""What reading a table finds: faults of columns, rows that cannot be used, and notes for people."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tuner.data.dataset import Positions
from tuner.data.row_masks import Mask, to_mask
from tuner.errors import Fault
from tuner.space.assignment import column_option, set_option, set_options


@dataclass
class Findings:
    """Results of reading: faults of columns, unusable rows by reason, and notes for people.

    `remedies` are by reason too.
    `read` has the rows, or series, of each source, with those that cannot be used.
    `are_options` is true if command options name the columns, and false if settings of a space name them.
    """

    faults: list[Fault] = field(default_factory=list)
    unusable: dict[str, Positions] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    are_options: bool = False

    def setting(self, name: str) -> str:
        """Return the setting or option that names a column, such as data.label_columns or --label-columns."""
        return f"--{name.replace('_', '-')}" if self.are_options else f"data.{name}"

    def paste(self, **columns: str | None) -> str:
        """Return how to name columns, ready to paste: --set data.label=topic, or --label topic. Options need no null."""
        if not self.are_options:
            return set_options(**columns)
        return " ".join(
            column_option(self.setting(name), value) for name, value in columns.items() if value is not None
        )

    def or_else(self, name: str, value: object, *, meaning: str) -> str:
        """Return the end of a note: the setting for another meaning. Options have no such settings, so it is empty for them."""
        return "" if self.are_options else f"; {meaning}: {set_option(f'data.{name}', value)}"

    def refuse_column(self, source: str, column: str, what: str, remedy: str) -> None:
        """Record a fault of a whole column."""
        self.faults.append(Fault(f"{source}: column {column!r}", what, remedy))

    def add_unusable(self, reason: str, mask: pa.Array | pa.ChunkedArray | Mask, remedy: str = "fix them") -> None:
        """Record the rows where `mask` (rows,) is true as unusable for this reason; null counts as false."""
        positions = np.flatnonzero(mask if isinstance(mask, np.ndarray) else to_mask(mask))
        if len(positions):
            self.unusable[reason] = positions
            self.remedies[reason] = remedy
