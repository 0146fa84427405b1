"""Read CSV, and text separated by tabs. Row numbers count data rows from 1: the header and blank lines are not rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from tuner.data.formats.content import BLOCK_BYTES, Choose, Reading, python_line, with_extension
from tuner.data.formats.csv_doubts import Doubt, find_doubt
from tuner.data.formats.csv_separator import find_separator
from tuner.data.formats.csv_source import CsvSource
from tuner.data.name_lists import name_rows
from tuner.errors import DataError, data_error

_QUOTE_RULE = "double the quotation marks inside quoted values, and close every quoted value"
_AS_PLAIN = 'write the value with three marks in front and one behind: """see you"'
_READ_ALL = "import pandas; pandas.read_csv({}, sep={}, dtype=str, keep_default_na=False%s)"


@dataclass(frozen=True)
class _QuoteFault:
    """A line whose quotation marks are wrong, or in doubt. `fix` says what to do if the marks enclose values."""

    line: int
    what: str
    fix: str
    is_in_doubt: bool = False


def read_csv(uri: str, file: pa.NativeFile, choose: Choose, reading: Reading, *, usual: str = ",") -> pa.Table:
    """Read every column of UTF-8 as text, because CSV has no types. `usual` is what separates values. Raises DataError."""
    separator, content = find_separator(uri, file.read(), usual, reading)
    return read_source(CsvSource(uri, content, separator), choose, reading)[0]


def read_source(source: CsvSource, choose: Choose, reading: Reading) -> tuple[pa.Table, DataError | None]:
    """Read every column as text. If the marks are read as plain characters, also return the error if they should not be.

    Raises DataError.
    """
    uri, quoting = source.uri, reading.text_format.quoting
    is_plain, refusal = quoting == "none", None
    fault = None if is_plain else _find_fault(source, reading)
    if fault is not None:
        refusal = data_error(f"{uri}:{fault.line}", fault.what, _remedy(source, reading, fault))
        if quoting is not None or not source.has_only_plain_marks:
            raise refusal
        why = f"so quotation marks are read as plain characters, and every line as a row; if they enclose values, {fault.fix}"
        reading.note(f"{uri}:{fault.line}: {fault.what}, {why}")
        is_plain = True
    chosen = choose(source.plain_names if is_plain else source.names)
    if is_plain and len(source.record_lines(is_plain=True)) == 1:
        raise data_error(uri, "the file has no rows", "give a file with rows")
    table, bad = _to_table(source, chosen, is_plain=is_plain)
    if bad:
        lines = source.record_lines(is_plain=is_plain) + 1
        rows = name_rows([row + source.rows_before for row, _ in bad])
        where = f"{uri}:{source.number_in_file(int(lines[bad[0][0]]))}: {rows}"
        mark = {",": "a comma", "\t": "a tab"}.get(source.separator, repr(source.separator))
        remedy = f"quote values with {mark} or a line break, double the quotes inside them, and close every quote"
        raise data_error(where, bad[0][1], remedy)
    if blank := source.count_blank_lines(is_plain=is_plain):
        empty = ' (write "" for an empty text)' if len(source.names) == 1 else ""
        reading.note(
            f"{uri}: {'1 blank line is not a row' if blank == 1 else f'{blank:,} blank lines are not rows'}{empty}"
        )
    return table, refusal


def _to_table(
    source: CsvSource, chosen: Sequence[str] | None, *, is_plain: bool
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Return the chosen columns (None: all), and the rows with the wrong number of values: their numbers and what is wrong."""
    bad: list[tuple[int, str]] = []
    names = source.plain_names if is_plain else source.names
    content: bytes | memoryview = source.content
    if is_plain:  # pyarrow would read the marks of the header as plain characters too
        content = memoryview(content)[source.lines.ends[source.header] + 1 :]
    table = pa.csv.read_csv(
        pa.BufferReader(content),
        read_options=pa.csv.ReadOptions(
            use_threads=False,  # only without threads are row numbers known
            block_size=BLOCK_BYTES,
            column_names=names if is_plain else None,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=source.separator,
            quote_char=False if is_plain else '"',
            newlines_in_values=not is_plain,
            invalid_row_handler=_remember(bad, header_rows=0 if is_plain else 1),
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=list(names if chosen is None else chosen)
        ),
    )
    return table, bad


def _remember(bad: list[tuple[int, str]], *, header_rows: int) -> Callable[[pa.csv.InvalidRow], str]:
    """Return a handler that skips rows with the wrong number of values and appends them to `bad`."""

    def handle(row: pa.csv.InvalidRow) -> str:
        values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
        what = f"{values} where the header has {row.expected_columns}, as in {row.text[:60]!r}"
        bad.append((row.number - header_rows, what))
        return "skip"

    return handle


# --- quotation marks ------------------------------------------------------------------------------------------------


def _find_fault(source: CsvSource, reading: Reading) -> _QuoteFault | None:
    """Return the first thing that is wrong with the quotation marks, and note what is doubtful."""
    fault = source.values.fault
    if fault is not None:
        first = source.lines.number(fault.opens)
        what = "a quotation mark opens a value here, and no mark closes it"
        if fault.closes is not None:
            last = source.lines.number(fault.closes)
            rest = source.content[fault.closes + 1 : source.lines.ends[last - 1]].decode("utf-8", "replace")
            where = "" if last == first else f" in line {source.number_in_file(last):,}"
            what = f"a quotation mark opens a value here, and {rest[:30]!r} follows the mark that closes it{where}"
        return _QuoteFault(
            source.number_in_file(first), what, _without_backslashes(source) if fault.is_escaped else _QUOTE_RULE
        )
    if reading.text_format.quoting == "standard" or not source.has_values_of_several_lines:
        return None
    doubt = find_doubt(source, rows=lambda: _to_table(source, None, is_plain=False)[0])
    if doubt is not None and doubt.is_sure:
        first, last = source.number_in_file(doubt.first), source.number_in_file(doubt.last)
        what = f"a quotation mark opens a value here that ends in line {last:,}, but the lines in it look like rows"
        return _QuoteFault(first, what, reading.set("quoting", "standard") or _as_parquet(source), is_in_doubt=True)
    if doubt is not None:
        _note_doubt(source, reading, doubt)
    return None


def _note_doubt(source: CsvSource, reading: Reading, doubt: Doubt) -> None:
    first, last = source.number_in_file(doubt.first), source.number_in_file(doubt.last)
    lines = f"lines {first:,} to {last:,}"
    what = f"1 value spans {lines} between quotation marks, and is read as one text"
    if doubt.count > 1:
        many = f"{doubt.count:,} values span several lines between quotation marks, the longest {lines}"
        what = f"{many}; each is read as one text"
    plain = _or_plain(source, reading) or f"; if the mark in line {first:,} is a plain character, {_AS_PLAIN}"
    reading.note(f"{source.uri}: {what}{plain}")


def _remedy(source: CsvSource, reading: Reading, fault: _QuoteFault) -> str:
    """Return what to do for each reading of the marks."""
    plain = _or_plain(source, reading)
    if not fault.is_in_doubt:
        return f"{fault.fix}{plain}"
    return f"if the marks enclose one text, {fault.fix}{plain or f'; if the first is a plain character, {_AS_PLAIN}'}"


def _or_plain(source: CsvSource, reading: Reading) -> str:
    change = reading.set("quoting", "none") if source.has_plain_rows else None
    return f"; if every line is a row, and quotation marks are plain characters, {change}" if change else ""


def _without_backslashes(source: CsvSource) -> str:
    code = _READ_ALL % ", escapechar=chr(92)" + ".to_csv({}, index=False)"
    new = with_extension(source.uri, "-doubled.csv")
    return f"double the marks in place of writing backslashes: {python_line(code, source.uri, source.separator, new)}"


def _as_parquet(source: CsvSource) -> str:
    code = _READ_ALL % "" + ".to_parquet({})"
    new = with_extension(source.uri, ".parquet")
    return f"save it as Parquet: {python_line(code, source.uri, source.separator, new)}"
