"""Read the inputs of a table: a column of texts, of lists of tokens or of numeric sequences."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.columns.patterns import suggest_patterns
from tuner.data.dataset import Columns, RowInputs
from tuner.data.findings import Findings
from tuner.data.sequences import Sequences
from tuner.data.series.column import Origin, holds_sequences, is_list, read_sequences, read_written_sequences
from tuner.data.series.number_columns import single_numbers
from tuner.data.text_values import is_text
from tuner.data.token_column import (
    TokenColumn,
    find_written_lists,
    holds_tokens,
    read_token_lists,
    read_written_tokens,
)
from tuner.data.token_lists import as_plain_text
from tuner.show_value import show_yaml
from tuner.space.assignment import set_options

_NO_SEQUENCES = Sequences(values=np.zeros((0, 1)), offsets=np.zeros(1, np.int64))


def read_input_columns(
    table: pa.Table, columns: Columns, source: str, findings: Findings, *, origin: Origin | None = None
) -> RowInputs:
    """Return the texts, lists of tokens or sequences of a table, and add to `findings`.

    `origin` is where the sequences come from, if the source has no lists.
    """
    if isinstance(columns.sequence, str):  # by now it names one column of lists
        return _sequences(table.column(columns.sequence), columns.sequence, source, findings, origin)
    assert columns.text is not None  # the settings and the columns of a bundle guarantee it
    return _texts(table.column(columns.text), columns.text, source, findings, columns.is_tokenised)


def _texts(
    column: pa.ChunkedArray, name: str, source: str, findings: Findings, is_tokenised: bool | None
) -> tuple[str, ...]:
    """Return texts or lists of tokens. `is_tokenised` is as in `Columns`."""
    if is_tokenised is False and is_list(column.type):
        remedy = f"name a column of texts: {findings.paste(text='COLUMN')}"
        findings.refuse_column(source, name, f"it holds {column.type}, but the model reads texts", remedy)
    elif holds_tokens(column.type):
        return _add_tokens(read_token_lists(column, name), source, findings)
    elif not is_text(column.type):
        findings.refuse_column(source, name, f"it holds {column.type}, not text", _other_input(column, name, findings))
    else:
        return _plain_texts(column.cast(pa.string()), name, source, findings, is_tokenised)
    return ()


def _plain_texts(
    column: pa.ChunkedArray, name: str, source: str, findings: Findings, is_tokenised: bool | None
) -> tuple[str, ...]:
    """Return the texts, or the lists of tokens that they write."""
    written = None if is_tokenised is False else find_written_lists(column)
    if written is not None and written.kind == "tokens":
        if is_tokenised is None:
            first = show_yaml(next(text for text in column.to_pylist() if text))
            reading = f"each text of column {name!r} is a list of tokens, such as {first}, and is read as one"
            findings.notes.append(f"{source}: {reading}; if it is a text, leave out the outer brackets")
        is_null = column.is_null().to_numpy()
        return _add_tokens(read_written_tokens(written, is_null, name), source, findings)
    if is_tokenised:
        what = "it holds texts, but the model reads lists of tokens"
        findings.refuse_column(source, name, what, "give a list of tokens in each row")
        return ()
    if written is not None:
        reading = f"each text of column {name!r} is a list of numbers, but is read as a text"
        findings.notes.append(f"{source}: {reading}; for numeric sequences, {_as_sequence(name)}")
    findings.add_unusable(f"the text in column {name!r} is null", column.is_null())
    is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
    findings.add_unusable(f"the text in column {name!r} is empty", is_empty)
    return tuple(map(as_plain_text, column.fill_null("").to_pylist()))


def _add_tokens(read: TokenColumn, source: str, findings: Findings) -> tuple[str, ...]:
    for reason, mask in read.unusable.items():
        findings.add_unusable(reason, mask)
    findings.notes += [f"{source}: {note}" for note in read.notes]
    return read.rows


def _other_input(column: pa.ChunkedArray, name: str, findings: Findings) -> str:
    """Return the remedy for a column that is neither texts nor lists of tokens."""
    remedy = f"name the column of texts: {findings.paste(text='COLUMN')}"
    if not is_list(column.type):
        return remedy
    inner = column.type.value_type
    if is_list(inner):
        remedy = "for tokens, join the lists of each row to one list"
    if not holds_sequences(column.type):
        return remedy
    if not is_list(inner):
        remedy = "for tokens, save them as whole numbers or texts"
    return remedy if findings.are_options else f"for numeric sequences, {_as_sequence(name)}; {remedy}"


def _as_sequence(name: str) -> str:
    return f"use a space for them, such as the shipped one, `sequence`: {set_options(text=None, sequence=name)}"


def _sequences(column: pa.ChunkedArray, name: str, source: str, findings: Findings, origin: Origin | None) -> Sequences:
    if (what := single_numbers(column)) is not None:
        _refuse_single_numbers(what, name, source, findings)
        return _NO_SEQUENCES
    if is_text(column.type):
        read = read_written_sequences(column.cast(pa.string()), name)
    elif holds_sequences(column.type):
        read = read_sequences(column, name, origin=origin)
    else:
        what = f"it holds {column.type}, not lists of numbers or lists of steps (lists of numbers)"
        remedy = f"name a column of such lists: {findings.paste(sequence='COLUMN')}"
        if not findings.are_options:
            remedy += f"; or a column of texts: {findings.paste(sequence=None, text='COLUMN')}"
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
    by_row = findings.paste(sequence_id="COLUMN", order="COLUMN")
    remedy = f"if a series has a row for each step, name its id and what orders its steps: {by_row}"
    for pattern in suggest_patterns([name], fewest=1):
        remedy = f"if a series has a column for each step, {findings.paste(sequence=pattern)}; {remedy}"
    findings.refuse_column(source, name, f"{what}, not lists of numbers", remedy)
