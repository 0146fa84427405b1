"""Read the inputs of a table: a column of texts or of numeric sequences."""

from __future__ import annotations

import shlex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.column_patterns import suggest_patterns
from tuner.data.dataset import Columns, RowInputs
from tuner.data.findings import Findings
from tuner.data.number_columns import single_numbers
from tuner.data.sequence_column import holds_sequences, read_sequences, read_written_sequences
from tuner.data.sequences import Sequences
from tuner.data.text_values import is_text
from tuner.space.assignment import set_option

_NO_SEQUENCES = Sequences(values=np.zeros((0, 1)), offsets=np.zeros(1, np.int64))


def read_input_columns(
    table: pa.Table, columns: Columns, source: str, findings: Findings, *, fill: str | None = None
) -> RowInputs:
    """Return the texts or sequences of a table, and add to `findings`.

    `fill` is a line of Python that fills gaps in the sequences, if a row of the table is not a row of its source.
    """
    if isinstance(columns.sequence, str):  # by now it names one column of lists
        return _sequences(table.column(columns.sequence), columns.sequence, source, findings, fill)
    assert columns.text is not None  # the settings and the columns of a bundle guarantee it
    return _texts(table.column(columns.text), columns.text, source, findings)


def _texts(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> tuple[str, ...]:
    if not is_text(column.type):
        remedy = f"name the column of texts as {findings.setting('text')}"
        if holds_sequences(column.type) and not findings.are_options:
            remedy = f"name it as data.sequence: {name}"
        findings.refuse_column(source, name, f"it holds {column.type}, not text", remedy)
        return ()
    column = column.cast(pa.string())
    findings.add_unusable(f"the text in column {name!r} is null", column.is_null())
    is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
    findings.add_unusable(f"the text in column {name!r} is empty", is_empty)
    return tuple(column.fill_null("").to_pylist())


def _sequences(column: pa.ChunkedArray, name: str, source: str, findings: Findings, fill: str | None) -> Sequences:
    if (what := single_numbers(column)) is not None:
        _refuse_single_numbers(what, name, source, findings)
        return _NO_SEQUENCES
    if is_text(column.type):
        read = read_written_sequences(column.cast(pa.string()), name)
    elif holds_sequences(column.type):
        read = read_sequences(column, name, fill=fill)
    else:
        what = f"it holds {column.type}, not lists of numbers or lists of steps (lists of numbers)"
        remedy = f"name a column of such lists as {findings.setting('sequence')}"
        if not findings.are_options:
            remedy += ", or the column of texts as data.text"
        findings.refuse_column(source, name, what, remedy)
        return _NO_SEQUENCES
    for reason, mask in read.unusable.items():
        findings.add_unusable(reason, mask, read.remedies.get(reason, "fix them"))
    findings.notes += [f"{source}: {note}" for note in read.notes]
    if read.rounding is not None:
        read.rounding.add_to(findings, source, name)
    return read.sequences


def _refuse_single_numbers(what: str, name: str, source: str, findings: Findings) -> None:
    """Refuse a column of numbers, which is one of the steps of each row, or the steps of series in several rows."""
    sequence, sequence_id, order = map(findings.setting, ("sequence", "sequence_id", "order"))
    by_row = f"--set {sequence_id}=COLUMN --set {order}=COLUMN"
    if findings.are_options:
        by_row = f"{sequence_id} COLUMN {order} COLUMN"
    remedy = f"if a series has a row for each step, name its id and what orders its steps: {by_row}"
    for pattern in suggest_patterns([name], fewest=1):
        by_column = f"{sequence} {shlex.quote(pattern)}" if findings.are_options else set_option(sequence, pattern)
        remedy = f"if a series has a column for each step, {by_column}; {remedy}"
    findings.refuse_column(source, name, f"{what}, not lists of numbers", remedy)
