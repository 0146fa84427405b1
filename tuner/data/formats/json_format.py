"""Read JSON Lines, and arrays of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.json

from tuner.data.formats.content import BLOCK_BYTES, REMEDIES, Choose, first_line, python_line, with_extension
from tuner.errors import DataError, data_error

Place: TypeAlias = Callable[[str, int], str]
"""Names a line or row of a file in a message."""

_MAX_DEPTH = 64
_NESTED = re.compile(rb"[\[{](?:[^\[\]{}\n]*+[\[{]){%d}" % _MAX_DEPTH)  # this many brackets opened, none closed
_DEEP_RUNS = (b"[" * 8, b"]" * 8, b"}" * 8)
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"')


def read_json(uri: str, file: pa.NativeFile, choose: Choose, *, lines_before: int = 0) -> pa.Table:
    """Read one object per line, or an array of objects. Raises DataError with the first faulty line or row.

    `lines_before` is the number of lines of the file before the content.
    """
    content: bytes = file.read()
    place: Place = partial(_line_of, lines_before)
    if content.lstrip().startswith(b"["):
        rows = _parse(content)
        if rows == []:
            raise data_error(uri, "the array has no rows", "give a file with rows")
        if isinstance(rows, list):
            content, place = "\n".join(map(json.dumps, rows)).encode(), _row_of
        else:
            _refuse_broken_array(uri, content)
    _refuse_depth(uri, content, place)
    read = pa.json.ReadOptions(block_size=BLOCK_BYTES)
    try:
        table = pa.json.read_json(pa.BufferReader(content), read)
    except pa.ArrowInvalid as error:
        _refuse_one_object(uri, content)
        raise _json_refusal(uri, content, place, error) from error
    if table.num_rows == 1:
        _refuse_one_object(uri, content)
    as_written = [(field.name, kind) for field in table.schema if (kind := _without_dates(field.type)) != field.type]
    if as_written:  # a value like a date may be a group or a label, and other files have it as text
        parse = pa.json.ParseOptions(explicit_schema=pa.schema(as_written))
        table = pa.json.read_json(pa.BufferReader(content), read, parse)
    chosen = choose(table.column_names)
    return table if chosen is None else table.select(chosen)


def _parse(content: bytes) -> object:
    """Return the value that the whole content is, or None if it is not one JSON value."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _refuse_broken_array(uri: str, content: bytes) -> None:
    """Raise DataError with the line where an array ends to be JSON. Lines that are arrays by themselves pass."""
    try:
        json.loads(content)
    except json.JSONDecodeError as broken:
        if broken.msg != "Extra data":
            what = f"the array of rows is not JSON ({broken.msg}, character {broken.colno})"
            raise data_error(f"{uri}:{broken.lineno}", what, "write it again, or one JSON object per line") from broken
    except (ValueError, RecursionError):
        pass  # a number is too long, or brackets are too deep: refused with the row


def _line_of(before: int, uri: str, number: int) -> str:
    return f"{uri}:{before + number}"


def _row_of(uri: str, number: int) -> str:
    return f"{uri}: row {number}"


def _without_dates(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    return pa.string() if pa.types.is_temporal(kind) else kind


def _refuse_depth(uri: str, content: bytes, place: Place) -> None:
    """Refuse deeply nested lists. pyarrow would take minutes, because its time grows with the square of the depth."""
    if not any(run in content for run in _DEEP_RUNS):  # a fast check, so that almost no file needs the slow one
        return
    for match in _NESTED.finditer(content):
        line = content[content.rfind(b"\n", 0, match.start()) + 1 :].split(b"\n", 1)[0]
        if _NESTED.search(_JSON_TEXT.sub(b"", line)):  # not only within a text
            number = content.count(b"\n", 0, match.start()) + 1
            raise data_error(
                place(uri, number),
                f"the line is nested more than {_MAX_DEPTH} levels deep",
                "write numbers, texts or plain lists",
            )


def _json_refusal(uri: str, content: bytes, place: Place, error: pa.ArrowInvalid) -> DataError:
    """Find the first faulty line: pyarrow reports row numbers within its own blocks only."""
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        where = place(uri, number)
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            what = f"the line is not JSON ({broken.msg} at character {broken.colno})"
            return data_error(where, what, "write one JSON object per line")
        except (ValueError, RecursionError) as broken:  # a number is too long, or brackets are too deep
            return data_error(where, f"the line cannot be read ({first_line(broken)})", "write it shorter")
        if not isinstance(row, dict):
            return data_error(
                where, f"the line holds {_json_kind(row)}, not an object", "write one JSON object per line"
            )
        for key, value in row.items():
            kind, first = kinds.setdefault(key, (_json_kind(value), number)) if value not in (None, []) else ("", 0)
            if kind and kind != _json_kind(value):
                what = f"{key!r} is {_json_kind(value)}, but {kind} in line {first}"
                return data_error(where, what, "write one kind of value in each column")
    return data_error(uri, f"cannot be read as JSON Lines ({first_line(error)})", REMEDIES["json"])


def _json_kind(value: object) -> str:
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return "a list of lists"
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


# --- one object -------------------------------------------------------------------------------------------------------

_PANDAS = 'import pandas; pandas.read_json({}, orient="%s", dtype=False).to_json({}, orient="records", lines=True)'
_LISTS = (
    "import json, pyarrow; d = json.loads(pyarrow.input_stream({}).read()); "  # it unpacks by the name
    'open({}, "w").writelines(json.dumps(r) + chr(10) for r in %s)'
)
_OF_COLUMNS = "(dict(zip(d, r)) for r in zip(*d.values()))"


def _refuse_one_object(uri: str, content: bytes) -> None:
    """Raise DataError with the line of Python that writes JSON Lines, if the file is one object that holds all rows."""
    value = _parse(content)
    code = _to_lines(value) if isinstance(value, dict) else None
    if code is not None:
        line = python_line(code, uri, with_extension(uri, "-lines.jsonl"))
        raise data_error(uri, "this is one JSON object that holds all rows", f"write one object per line: {line}")


def _to_lines(value: dict[str, Any]) -> str | None:
    """Return the Python code that writes JSON Lines. The forms are those of pandas' to_json, of datasets, and {"data": […]}."""
    parts = list(value.values())
    if isinstance(value.get("data"), list):
        if isinstance(value.get("columns"), list):
            return _PANDAS % "split"
        if isinstance(value.get("schema"), dict):
            return _PANDAS % "table"
    listed = [key for key, part in value.items() if isinstance(part, list) and part and isinstance(part[0], dict)]
    if len(listed) == 1:
        return _LISTS % f"d[{json.dumps(listed[0])}]".replace("{", "{{").replace("}", "}}")
    if len(parts) > 1 and all(isinstance(part, list) and len(part) == len(parts[0]) > 1 for part in parts):
        return _LISTS % _OF_COLUMNS
    if parts and all(isinstance(part, dict) and part.keys() == parts[0].keys() for part in parts):
        is_by_column = all(key.isdecimal() for key in parts[0])
        return _PANDAS % ("columns" if is_by_column else "index")
    return None
