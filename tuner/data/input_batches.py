"""Read the rows that a model is to predict, in batches: a file may be larger than memory.

A file is read twice. The first time, all of its rows are checked, so that nothing is predicted if one is refused. A file that
fits into one piece is read once. If a series has several rows, all of the file is one piece.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.builtin import is_builtin
from tuner.data.columns.patterns import columns_like
from tuner.data.dataset import Columns, Positions, RowInputs, take_inputs
from tuner.data.findings import Findings
from tuner.data.formats.content import Reading
from tuner.data.formats.names import codec_of, format_of
from tuner.data.kept_columns import joined_schema, keep_constant, with_schema
from tuner.data.labelled_rows import LabelledRows, find_usable, to_labelled_rows
from tuner.data.name_lists import list_names
from tuner.data.source_files import Source, locate_source
from tuner.data.table_reader import read_pieces, read_table, read_whole
from tuner.data.wanted_columns import WantedColumns
from tuner.errors import DataError, data_error
from tuner.space.text_format import FOUND_OUT, TextFormat

PIECE_BYTES = 1 << 25
"""The size of a piece, of which memory holds several times as much."""

BATCH_ROWS = 10_000
_TIMES_LARGER = {"gzip": 8, "zstd": 8, "bz2": 8, "parquet": 4}  # about so many times larger is the content in memory
_NUMBER = re.compile(r"\d[\d,]*")


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """What to read: the columns of the inputs and those to keep (None: all), and how. `source` has the files if not `uri`."""

    uri: str
    columns: Columns
    keep: Sequence[str] | None = ()
    skip_unusable: bool = False
    text_format: TextFormat = FOUND_OUT
    format_name: str | None = None
    source: Source | None = None
    piece_bytes: int = PIECE_BYTES


@dataclass(frozen=True, eq=False)
class InputBatch:
    """Rows to predict: their inputs, their numbers (rows,) in the file from 1, and the columns that are kept."""

    inputs: RowInputs
    rows: Positions
    kept: pa.Table


@dataclass(frozen=True, eq=False)
class _Piece:
    """Rows of a file, whether or not they can be used, and the columns that are kept of them."""

    rows: LabelledRows
    kept: pa.Table


@dataclass(frozen=True, eq=False)
class InputRows:
    """The checked rows of a file. `numbers` (rows,) are those of all rows, or series; `is_usable` (rows,) tells which to predict.

    `schema` describes the columns that are kept. `only` is the file if it is one piece.
    """

    file: InputFile
    numbers: Positions
    is_usable: NDArray[np.bool_]
    schema: pa.Schema
    only: _Piece | None

    @cached_property
    def left_out(self) -> Positions:
        """The numbers of the rows that are left out."""
        return self.numbers[~self.is_usable]

    def batches(self) -> Iterator[InputBatch]:
        """Yield the rows to predict, in the order of the file. Raises DataError if the file has changed in the meantime."""
        start = 0
        for piece in [self.only] if self.only is not None else _pieces(self.file, Findings(are_options=True)):
            end = start + len(piece.rows)
            if end > len(self.numbers):
                raise data_error(self.file.uri, "the file has changed while it was read", "run the command again")
            used = np.flatnonzero(self.is_usable[start:end])
            kept = with_schema(piece.kept, self.schema)
            for first in range(0, len(used), BATCH_ROWS):
                places = used[first : first + BATCH_ROWS]
                inputs = take_inputs(piece.rows.inputs, places)
                yield InputBatch(inputs, self.numbers[start + places], kept.take(places) if self.schema.names else kept)
            start = end


def check_inputs(
    file: InputFile, *, note: Callable[[str], None], seen: Callable[[int], None] = lambda _: None
) -> InputRows:
    """Read and check every row. `note` gets each note, also if rows are refused. `seen` gets the number of rows so far.

    Raises DataError with the faults of all rows; `skip_unusable` leaves them out with a note instead.
    """
    findings = Findings(are_options=True)
    try:
        rows = _check(file, findings, seen)
    finally:
        for text in _distinct(findings.notes):
            note(text)
    if findings.faults:
        raise DataError(list(dict.fromkeys(findings.faults)))
    return rows


def _check(file: InputFile, findings: Findings, seen: Callable[[int], None]) -> InputRows:
    numbers, schemas, unusable = list[Positions](), list[pa.Schema](), list[tuple[str, Positions]]()
    only: _Piece | None = None
    count = 0
    for piece in _pieces(file, findings):
        only = piece if not numbers else None
        before = 0 if file.columns.sequence_id is not None else count
        numbers.append(piece.rows.rows + before)
        unusable += [(reason, positions + count) for reason, positions in findings.unusable.items()]
        findings.unusable.clear()
        schemas = [joined_schema([*schemas, piece.kept.schema])]
        count += len(piece.rows)
        seen(count)
    if not count and not findings.faults:
        raise data_error(file.uri, "the file has no rows", "give a file with rows")
    for reason, positions in unusable:
        findings.unusable[reason] = np.append(findings.unusable.get(reason, np.zeros(0, np.int64)), positions)
    all_numbers = np.concatenate([np.zeros(0, np.int64), *numbers])
    is_usable = find_usable(file.uri, all_numbers, findings, skip=file.skip_unusable)
    return InputRows(file, all_numbers, is_usable, schemas[0] if schemas else pa.schema([]), only)


def _distinct(notes: Sequence[str]) -> list[str]:
    """Return each note once. Of those that differ only in numbers, return the first, and how many others there are."""
    groups: dict[str, list[str]] = {}
    for text in dict.fromkeys(notes):
        groups.setdefault(_NUMBER.sub("#", text), []).append(text)
    more = " (there {} like this about other rows)"
    counted = {key: len(texts) - 1 for key, texts in groups.items()}
    return [
        texts[0] + (more.format("is 1 more note" if counted[key] == 1 else f"are {counted[key]:,} more notes"))
        if counted[key]
        else texts[0]
        for key, texts in groups.items()
    ]


# --- pieces ---------------------------------------------------------------------------------------------------------


def _pieces(file: InputFile, findings: Findings) -> Iterator[_Piece]:
    """Yield the pieces of a file. Pieces with faults of whole columns are left out, and the faults added to `findings`."""
    columns, keep = file.columns, file.keep or ()
    named_by = dict.fromkeys(keep, "--keep") | {
        name: findings.setting(field)
        for field in ("order", "sequence_id", "sequence", "text")
        for name in (columns.sequences if field == "sequence" else (getattr(columns, field),))
        if name is not None
    }
    wanted = WantedColumns(
        columns=tuple(dict.fromkeys((*columns.names, *keep))),
        named_by=named_by,
        optional=(),
        patterns=columns.sequences,
        are_all_kept=file.keep is None,
    )
    for table in _tables(file, wanted, findings):
        if not table.num_rows:
            continue
        named = (
            columns_like(name, table.column_names) if name in columns.sequences else [name] for name in columns.names
        )
        inputs = table.select(list(dict.fromkeys(name for names in named for name in names)))
        rows = to_labelled_rows(inputs, file.uri, columns, findings)
        if rows is not None:
            yield _Piece(rows, _kept(table, rows, file, findings))
    if file.keep is None and (twice := _names_there_twice(wanted)):
        findings.notes.append(f"{file.uri}: columns whose name is there twice are not kept: {list_names(twice)}")


def _kept(table: pa.Table, rows: LabelledRows, file: InputFile, findings: Findings) -> pa.Table:
    """Return the columns to keep. A series in several rows keeps its id, and what is the same in all of them."""
    names = table.column_names if file.keep is None else list(file.keep)
    if file.columns.sequence_id is None:
        return table.select(names)
    named = [name for name in table.column_names if name in names or name == file.columns.sequence_id]
    return keep_constant(table.select(named), file.columns.sequence_id, rows.rows - 1, file.uri, findings)


def _names_there_twice(wanted: WantedColumns) -> list[str]:
    names = next(iter(wanted.names_of.values()), ())
    return [repr(name) for name, count in Counter(names).items() if count > 1]


def _tables(file: InputFile, wanted: WantedColumns, findings: Findings) -> Iterator[pa.Table]:
    reading = Reading(file.text_format, "--", note=findings.notes.append, format_name=file.format_name)
    if is_builtin(file.uri):
        table = read_table(file.uri)
        yield table.select(wanted.choose(file.uri, table.column_names) or [])
        return
    source = file.source or locate_source(file.uri, reading)
    if file.columns.sequence_id is not None or (
        len(source.parts) == 1 and _is_small(source, reading, file.piece_bytes)
    ):
        yield read_whole(file.uri, source, wanted, reading)
    else:
        yield from read_pieces(source, wanted, reading, piece_bytes=file.piece_bytes)


def _is_small(source: Source, reading: Reading, piece_bytes: int) -> bool:
    """Return whether a source of one file fits into one piece."""
    (part,) = source.parts
    packed = codec_of(part.uri) or reading.format_name or format_of(part.uri)
    size = source.files.get_file_info(part.path).size or 0
    return bool(size * _TIMES_LARGER.get(packed, 1) <= piece_bytes)
