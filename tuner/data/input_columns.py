"""Read the inputs of a table: a column of texts or of numeric sequences."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.dataset import Columns, RowInputs
from tuner.data.findings import Findings
from tuner.data.sequence_column import holds_sequences, read_sequences, read_written_sequences
from tuner.data.sequences import Sequences
from tuner.data.text_values import is_text


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
    is_written = is_text(column.type)
    if is_written:
        read = read_written_sequences(column.cast(pa.string()), name)
    elif holds_sequences(column.type):
        read = read_sequences(column, name)
    else:
        what = f"it holds {column.type}, not lists of numbers or lists of steps (lists of numbers)"
        remedy = f"name a column of such lists as {findings.setting('sequence')}"
        if not findings.are_options:
            remedy += ", or the column of texts as data.text"
        findings.refuse_column(source, name, what, remedy)
        return Sequences(values=np.zeros((0, 1)), offsets=np.zeros(1, np.int64))
    for reason, mask in read.unusable.items():
        line = fill or _line_that_fills(name, is_written=is_written)
        remedy = f"fill it, for example in pandas: {line}" if reason == read.gap else "fix them"
        findings.add_unusable(reason, mask, remedy)
    findings.notes += [f"{source}: {note}" for note in read.notes]
    return read.sequences


def _line_that_fills(name: str, *, is_written: bool) -> str:
    """Return the line of Python that fills the gaps of a column of lists, and drops its padding."""
    start, row = ("import json; ", "json.loads(row)") if is_written else ("", "list(row)")
    filled = ".interpolate(limit_area='inside').dropna(how='all').ffill().bfill().to_numpy().tolist()"
    return f"{start}df[{name!r}] = [pd.DataFrame({row}, dtype=float){filled} for row in df[{name!r}]]"
