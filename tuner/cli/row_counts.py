"""What a model did with the rows of a file: how many were read, used, left out and cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.bundle.coverage import Coverage
    from tuner.bundle.model_bundle import Bundle
    from tuner.data.encoded import Encoded

_EXAMPLES = 3
_MOST_CHARACTERS = 60

verbose_option = click.option(
    "--verbose", is_flag=True, help=f"Show up to {_EXAMPLES} of the rows that are left out, cut or unknown."
)


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
    """Say in one line what happened to the rows of a file, and show examples if `is_verbose`.

    `read` are the numbers of all rows, `rows` of those that were used, and `inputs` their texts or
    sequences. `used` is what was done to them.
    """
    from tuner.bundle.coverage import cover
    from tuner.data.name_lists import number_of_rows
    from tuner.data.preparation import kind_of

    coverage = cover(model, encoded)
    unit = _unit(coverage.unknown is not None)
    counts = [
        f"{number_of_rows(len(read))} read",
        f"{len(rows):,} {used}",
        f"{len(read) - len(rows):,} left out",
        f"{len(coverage.cut):,} cut to {model.max_length:,} {unit}",
    ]
    if coverage.unknown is not None:
        kind = kind_of(model.preparation)
        counts.append(f"{len(coverage.unknown):,} without a known {kind if kind in ('word', 'character') else 'token'}")
    say(f"{data}: {', '.join(counts)}")
    if is_verbose:
        _show_examples(coverage, encoded, inputs, rows, read)


def _show_examples(coverage: Coverage, encoded: Encoded, inputs: Any, rows: Sequence[int], read: Sequence[int]) -> None:
    is_text = coverage.unknown is not None
    kept = set(rows)
    for row in [row for row in read if row not in kept][:_EXAMPLES]:
        say(f"  left out: row {row:,}")
    for position in coverage.cut[:_EXAMPLES].tolist():
        say(
            f"  cut: row {rows[position]:,} of {encoded.lengths[position]:,} {_unit(is_text)}{_shown(inputs, position, is_text)}"
        )
    for position in [] if coverage.unknown is None else coverage.unknown[:_EXAMPLES].tolist():
        say(f"  nothing known: row {rows[position]:,}{_shown(inputs, position, is_text)}")


def _unit(is_text: bool) -> str:
    return "tokens" if is_text else "steps"


def _shown(inputs: Any, position: int, is_text: bool) -> str:
    if not is_text:
        return ""
    text = inputs[position]
    return f": {text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + '…'!r}"
