"""Read large files piece by piece: each piece is a table of whole rows, and all are read by the rules for the whole file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tuner.data.formats.arrow_format import open_batches
from tuner.data.formats.content import Choose, Reading
from tuner.data.formats.csv_format import read_source
from tuner.data.formats.csv_quotes import find_quoted_values
from tuner.data.formats.csv_separator import find_separator
from tuner.data.formats.csv_source import CsvSource
from tuner.data.formats.encodings import utf8_blocks
from tuner.data.formats.json_format import read_json

_MOST_ROWS = 100_000  # of a piece of Parquet, whose values may be far larger than its bytes
_LONGEST = 8  # blocks: so long may a row be, before an open quotation mark counts as a fault


def parquet_pieces(_uri: str, file: pa.NativeFile, choose: Choose, _reading: Reading, size: int) -> Iterator[pa.Table]:
    """Yield the chosen columns in pieces of about `size` bytes."""
    parquet = pq.ParquetFile(file)
    about = parquet.metadata
    columns = choose(parquet.schema_arrow.names)
    n_bytes = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    rows = min(_MOST_ROWS, max(1, size * about.num_rows // max(1, n_bytes)))
    if about.num_rows <= rows:
        yield parquet.read(columns=columns)
        return
    for batch in parquet.iter_batches(rows, columns=columns):
        yield pa.Table.from_batches([batch])


def arrow_pieces(_uri: str, file: pa.NativeFile, choose: Choose, _reading: Reading, size: int) -> Iterator[pa.Table]:
    """Yield the chosen columns in pieces of about `size` bytes, or of one batch of the file if that is larger."""
    schema, batches = open_batches(file)
    chosen = choose(schema.names)
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch if chosen is None else batch.select(chosen))
        if sum(each.nbytes for each in waiting) >= size:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def json_pieces(uri: str, file: pa.NativeFile, choose: Choose, reading: Reading, size: int) -> Iterator[pa.Table]:
    """Yield the chosen columns in pieces of about `size` bytes. An array is one piece."""
    blocks = utf8_blocks(uri, file, reading, size)
    first = next(blocks)
    if first.lstrip().startswith(b"["):
        yield read_json(uri, pa.BufferReader(b"".join((first, *blocks))), choose)
        return
    schema: pa.Schema | None = None
    for content, lines in _whole_lines(chain([first], blocks)):
        known = [] if schema is None else schema.names
        table = read_json(uri, pa.BufferReader(content), _Chosen(choose, known), lines_before=lines)
        table = table if schema is None else _filled(table, schema)
        schema = schema or table.schema
        yield table


@dataclass(frozen=True)
class _Chosen:
    """Chooses among the keys of a piece. Those of the first piece, `known`, may be missing in others."""

    choose: Choose
    known: Sequence[str]

    def __call__(self, names: Sequence[str]) -> list[str] | None:
        chosen = self.choose(list(dict.fromkeys((*names, *self.known))))
        return None if chosen is None else [name for name in chosen if name in names]


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with null in the columns that it lacks. What is null in all of its rows gets the type of `schema`."""
    for field in schema:
        place = table.schema.get_field_index(field.name)
        if place < 0:
            table = table.append_column(field.name, pa.nulls(len(table), field.type))
        elif pa.types.is_null(table.schema.field(place).type):
            table = table.set_column(place, field.name, pa.nulls(len(table), field.type))
    return table


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of each block that are there as a whole and not blank, and the number of lines before them."""
    rest, lines = b"", 0
    for block in chain(blocks, [b"\n"]):
        content = rest + block
        cut = content.rfind(b"\n") + 1
        if content[:cut].strip():
            yield content[:cut], lines
        lines += content.count(b"\n", 0, cut)
        rest = content[cut:]


def csv_pieces(
    uri: str, file: pa.NativeFile, choose: Choose, reading: Reading, size: int, *, usual: str = ","
) -> Iterator[pa.Table]:
    """Yield the chosen columns in pieces of about `size` bytes, as `read_csv` reads them.

    Quotation marks must mean the same in all pieces. Raises DataError if they are plain characters in one and enclose values in
    another.
    """
    blocks = utf8_blocks(uri, file, reading, size)
    separator, first = find_separator(uri, next(blocks), usual, reading)
    has_enclosed, plain, rows = False, None, 0
    for content, lines in _whole_rows(uri, chain([first], blocks), separator, reading, size):
        source = CsvSource(uri, content, separator, lines_before=lines, rows_before=rows)
        table, refusal = read_source(source, choose, reading)
        plain = plain or refusal
        has_enclosed = has_enclosed or (refusal is None and _encloses_values(source, reading))
        if plain is not None and has_enclosed:
            raise plain
        rows += table.num_rows
        if table.num_rows:
            yield table


def _encloses_values(source: CsvSource, reading: Reading) -> bool:
    """Return whether quotation marks enclose a value of a row."""
    if reading.text_format.quoting is not None or b'"' not in source.content:
        return False
    return bool((source.values.opens > source.lines.ends[source.header]).any())


def _whole_rows(
    uri: str, blocks: Iterator[bytes], separator: str, reading: Reading, size: int
) -> Iterator[tuple[bytes, int]]:
    """Yield the header with the next rows, and how many lines of the file stand between the two."""
    is_plain = reading.text_format.quoting == "none"
    header, header_lines, lines, rest = b"", 0, 0, b""
    waiting, is_first = next(blocks, None), True
    while waiting is not None:
        following = next(blocks, None)
        content = rest + waiting
        if not header:
            header = _header(CsvSource(uri, content, separator), is_plain=is_plain)
            content = content[len(header) :]
            header_lines = lines = header.count(b"\n")
        cut = len(content)
        if following is not None:
            cut = _last_row_end(content, separator, is_plain=is_plain or len(content) > _LONGEST * size)
        has_rows = bool(content[:cut].strip(b"\r\n"))
        if has_rows or (following is None and is_first):
            yield header + content[:cut], lines - header_lines
            is_first = False
        lines += content.count(b"\n", 0, cut)
        rest, waiting = content[cut:], following


def _header(source: CsvSource, *, is_plain: bool) -> bytes:
    """Return the lines up to the first row, with blank lines before and between."""
    records = source.record_lines(is_plain=is_plain)
    return source.content[: source.lines.starts[records[1]]] if len(records) > 1 else source.content


def _last_row_end(content: bytes, separator: str, *, is_plain: bool) -> int:
    """Return where the last row ends that is there as a whole, 0 if there is none. `content` begins with a row."""
    end = b"\n" if b"\n" in content else b"\r"
    place = content.rfind(end, 0, None if end == b"\n" else -1)  # a line feed may follow the last return
    if is_plain or b'"' not in content:
        return place + 1
    values = find_quoted_values(content, separator)
    if values.fault is not None and values.fault.closes is None:
        place = content.rfind(end, 0, values.fault.opens)
    elif values.fault is not None:
        return place + 1
    while place >= 0:
        before = int(np.searchsorted(values.opens, place)) - 1
        if before < 0 or values.closes[before] < place:
            break
        place = content.rfind(end, 0, int(values.opens[before]))
    return place + 1
