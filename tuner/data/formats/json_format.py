"""Read JSON Lines."""

from __future__ import annotations

import io
import json
import re

import pyarrow as pa
import pyarrow.json

from tuner.data.formats.content import BLOCK_BYTES, REMEDIES, Choose, first_line, read_utf8
from tuner.errors import DataError, data_error

_MAX_DEPTH = 64
_NESTED = re.compile(rb"[\[{](?:[^\[\]{}\n]*+[\[{]){%d}" % _MAX_DEPTH)  # this many brackets opened, none closed
_DEEP_RUNS = (b"[" * 8, b"]" * 8, b"}" * 8)
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"')


def read_json(uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read one object per line. Raises DataError with the first faulty line."""
    content = read_utf8(uri, file)
    _refuse_depth(uri, content)
    read = pa.json.ReadOptions(block_size=BLOCK_BYTES)
    try:
        table = pa.json.read_json(io.BytesIO(content), read)
    except pa.ArrowInvalid as error:
        raise _json_refusal(uri, content, error) from error
    as_written = [(field.name, kind) for field in table.schema if (kind := _without_dates(field.type)) != field.type]
    if as_written:  # a value like a date may be a group or a label, and other files have it as text
        parse = pa.json.ParseOptions(explicit_schema=pa.schema(as_written))
        table = pa.json.read_json(io.BytesIO(content), read, parse)
    chosen = choose(table.column_names)
    return table if chosen is None else table.select(chosen)


def _without_dates(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    return pa.string() if pa.types.is_temporal(kind) else kind


def _refuse_depth(uri: str, content: bytes) -> None:
    """Refuse deeply nested lists. pyarrow would take minutes, because its time grows with the square of the depth."""
    if not any(run in content for run in _DEEP_RUNS):  # a fast check, so that almost no file needs the slow one
        return
    for match in _NESTED.finditer(content):
        line = content[content.rfind(b"\n", 0, match.start()) + 1 :].split(b"\n", 1)[0]
        if _NESTED.search(_JSON_TEXT.sub(b"", line)):  # not only within a text
            number = content.count(b"\n", 0, match.start()) + 1
            raise data_error(
                f"{uri}:{number}",
                f"the line is nested more than {_MAX_DEPTH} levels deep",
                "write numbers, texts or plain lists",
            )


def _json_refusal(uri: str, content: bytes, error: pa.ArrowInvalid) -> DataError:
    """Find the first faulty line: pyarrow reports row numbers within its own blocks only."""
    if content.lstrip().startswith(b"["):
        remedy = 'write one object per line, such as {"text": "…", "label": "…"}'
        return data_error(uri, "this is one JSON array, not JSON Lines", remedy)
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{uri}:{number}"
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
