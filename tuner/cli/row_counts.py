"""What a model did with the rows of a file: how many were read, used, left out and cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.output import say, say_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.bundle.model_bundle import Bundle
    from tuner.data.encoded import Encoded

_EXAMPLES = 3
_MOST_CHARACTERS = 60

verbose_option = click.option(
    "--verbose", is_flag=True, help=f"Show up to {_EXAMPLES} of the rows that are left out, cut or unknown."
)


@dataclass
class RowCounts:
    """Counts of the rows that a model has seen so far, and a line for each of the first that are cut or unknown."""

    model: Bundle
    n_used: int = 0
    n_cut: int = 0
    n_unknown: int | None = None  # None for sequences
    cut: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, encoded: Encoded, inputs: Any, rows: Sequence[int]) -> None:
        """Count rows with these numbers. `inputs` are their texts or sequences."""
        from tuner.bundle.coverage import cover

        coverage = cover(self.model, encoded)
        is_text = coverage.unknown is not None
        self.n_used += len(rows)
        self.n_cut += len(coverage.cut)
        for place in coverage.cut[: _EXAMPLES - len(self.cut)].tolist():
            length = f"{encoded.lengths[place]:,} {_unit(is_text)}"
            self.cut.append(f"row {rows[place]:,} of {length}{_shown(inputs, place, is_text)}")
        if coverage.unknown is not None:
            self.n_unknown = (self.n_unknown or 0) + len(coverage.unknown)
            for place in coverage.unknown[: _EXAMPLES - len(self.unknown)].tolist():
                self.unknown.append(f"row {rows[place]:,}{_shown(inputs, place, is_text)}")

    def say(self, data: str, *, n_read: int, left_out: Sequence[int], used: str, is_verbose: bool) -> None:
        """Say in one line what happened to the rows of a file, and show examples if `is_verbose`.

        `left_out` are the numbers of the rows that were not used, or of the first of them. `used` is what was done to the others.
        """
        from tuner.data.preparation import kind_of

        unit = _unit(self.n_unknown is not None)
        counts = [f"{self.n_cut:,} cut to {self.model.max_length:,} {unit}"]
        if self.n_unknown is not None:
            kind = kind_of(self.model.preparation)
            counts.append(f"{self.n_unknown:,} without a known {kind if kind in ('word', 'character') else 'token'}")
        say_sentence(f"{data}: {count_rows(n_read, self.n_used, used)}, {', '.join(counts)}")
        if is_verbose:
            examples = {
                "left out": [f"row {row:,}" for row in left_out[:_EXAMPLES]],
                "cut": self.cut,
                "nothing known": self.unknown,
            }
            for what, shown in examples.items():
                for text in shown:
                    say(f"  {what}: {text}")


def count_rows(n_read: int, n_used: int, used: str) -> str:
    """Return how many rows were read, used and left out."""
    from tuner.data.name_lists import number_of_rows

    return f"{number_of_rows(n_read)} read, {n_used:,} {used}, {n_read - n_used:,} left out"


def say_row_counts(
    data: str,
    model: Bundle,
    encoded: Encoded,
    inputs: Any,
    rows: Sequence[int],
    *,
    read: Sequence[int],
    used: str,
    is_verbose: bool,
) -> None:
    """Say what happened to the rows of a file. `read` are the numbers of all rows, `rows` of those that were used."""
    counts, kept = RowCounts(model), set(rows)
    counts.add(encoded, inputs, rows)
    left_out = [row for row in read if row not in kept]
    counts.say(data, n_read=len(read), left_out=left_out, used=used, is_verbose=is_verbose)


def _unit(is_text: bool) -> str:
    return "tokens" if is_text else "steps"


def _shown(inputs: Any, position: int, is_text: bool) -> str:
    if not is_text:
        return ""
    text = inputs[position]
    return f": {text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + '…'!r}"
