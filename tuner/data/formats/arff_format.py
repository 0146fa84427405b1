"""Read .arff, Weka's format, with numeric, nominal, text and relational attributes.

The table has a column for each attribute. It also has `label`, the class, and `sequence` if a row is a series: the numeric
attributes are the steps of one channel, or the lines of a relational attribute are the channels, as the UCR and UEA archives
write them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tuner.data.formats.content import Choose
from tuner.data.formats.series import read_numbers, read_steps, to_lists
from tuner.errors import DataError, data_error
from tuner.show_value import show_count

_QUOTED = r"'(?:[^'\\]|\\.)*+'" + "|" + r'"(?:[^"\\]|\\.)*+"'
_ATTRIBUTE = re.compile(rf"@attribute\s+({_QUOTED}|[^\s{{'\"]+)\s*(.*)", re.IGNORECASE)
_VALUE = re.compile(rf"\s*({_QUOTED}|[^,'\"]*)\s*(?:,|$)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}
_KINDS = {"numeric": "number", "real": "number", "integer": "number", "string": "text", "date": "text"}
_CLASSES = ("class", "target", "label")


@dataclass(frozen=True)
class _Attribute:
    """A column: `kind` is number, nominal, text or relational, and `values` are those that a nominal one allows."""

    name: str
    kind: str
    values: frozenset[str] = frozenset()


def read_arff(uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read every line of data as one row. Raises DataError with the first faulty line."""
    lines = file.read().decode().splitlines()
    attributes, start = _read_header(uri, lines)
    names = [attribute.name for attribute in attributes]
    steps, target = _steps_and_class(attributes)
    aliases = {"sequence": steps, "label": target}
    aliases = {name: places for name, places in aliases.items() if places and name not in names}
    chosen = choose([*aliases, *names])
    wanted = [*aliases, *names] if chosen is None else chosen
    places = {name: aliases.get(name) or [names.index(name)] for name in wanted}
    cells = _read_data(uri, lines, start, attributes, {place for each in places.values() for place in each})
    return pa.table(
        {name: _column(cells, places[name], is_series="sequence" in aliases and name == "sequence") for name in wanted}
    )


def _steps_and_class(attributes: list[_Attribute]) -> tuple[list[int], list[int]]:
    """Return the places of the attributes that are a series, and of the class, each empty if there is none.

    The class is the last attribute if it may be one, or the only nominal one.
    """
    kinds = [attribute.kind for attribute in attributes]
    target: list[int] = []
    if kinds[-1] == "nominal" or attributes[-1].name.casefold() in _CLASSES:
        target = [len(kinds) - 1]
    elif kinds.count("nominal") == 1:
        target = [kinds.index("nominal")]
    steps = [place for place in range(len(kinds)) if place not in target]
    if {kinds[place] for place in steps} == {"number"} or [kinds[place] for place in steps] == ["relational"]:
        return steps, target
    return [], target


# --- header ---------------------------------------------------------------------------------------------------------


def _read_header(uri: str, lines: Sequence[str]) -> tuple[list[_Attribute], int]:
    """Return the attributes, and the number of lines up to @data. Attributes inside a relational one do not count."""
    attributes: list[_Attribute] = []
    is_inside = False
    for number, line in enumerate(lines, start=1):
        where, text = f"{uri}:{number}", line.strip()
        tag = text.split(maxsplit=1)[0].lower() if text else "%"
        if tag == "@data":
            if not attributes:
                raise data_error(
                    where, "there is no attribute before the data", "begin with lines @attribute NAME TYPE"
                )
            return attributes, number
        if tag == "@end":
            is_inside = False
        elif tag == "@attribute":
            attribute = _read_attribute(where, text)
            if not is_inside:
                attributes.append(attribute)
            is_inside |= attribute.kind == "relational"
        elif not tag.startswith("%") and tag != "@relation":
            remedy = "begin the file with @relation, the lines @attribute NAME TYPE, and @data"
            raise data_error(where, f"{text[:40]!r} is no line of a header", remedy)
    raise data_error(uri, "there is no line @data", "begin the data with a line @data, after the attributes")


def _read_attribute(where: str, text: str) -> _Attribute:
    match = _ATTRIBUTE.fullmatch(text)
    if match is not None:
        name, kind = _unquoted(match[1]), match[2].strip()
        word = kind.split(maxsplit=1)[0].lower() if kind else ""
        if kind.startswith("{") and kind.endswith("}"):
            return _Attribute(name, "nominal", frozenset(value or "" for value in _split(where, kind[1:-1])))
        if word == "relational":
            return _Attribute(name, "relational")
        if word in _KINDS:
            return _Attribute(name, _KINDS[word])
    remedy = "write @attribute NAME numeric, string or relational, or {A, B} with the values of a nominal one"
    raise data_error(where, f"{text[:60]!r} is no attribute", remedy)


# --- data -----------------------------------------------------------------------------------------------------------


def _read_data(
    uri: str, lines: Sequence[str], start: int, attributes: list[_Attribute], wanted: set[int]
) -> dict[int, list[Any]]:
    """Return the values of the wanted attributes by place: numbers, texts, and for a relational one its steps."""
    cells: dict[int, list[Any]] = {place: [] for place in sorted(wanted)}
    numeric = [place for place in cells if attributes[place].kind == "number"]
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith("%"):
            continue
        where = f"{uri}:{number}"
        if line.lstrip().startswith("{"):
            remedy = "save it in Weka with the filter SparseToNonSparse"
            raise data_error(where, "the row is sparse (in braces), which is not read", remedy)
        values = _split(where, line)
        if len(values) != len(attributes):
            remedy = "put texts with a comma or a quote into quotes, with a backslash before quotes inside them"
            found = f"{show_count(len(values), 'value')} where there are {show_count(len(attributes), 'attribute')}"
            raise data_error(where, found, remedy)
        for place, value in zip(numeric, read_numbers(where, [values[place] or "?" for place in numeric]), strict=True):
            cells[place].append(value)
        for place in cells.keys() - set(numeric):
            cells[place].append(_read_value(where, attributes[place], values[place]))
    if not next(iter(cells.values())):
        raise data_error(uri, "there is no line after @data", "give a file with rows")
    return cells


def _read_value(where: str, attribute: _Attribute, value: str | None) -> object:
    if attribute.kind == "relational":
        return read_steps(where, (value or "?").strip().split("\n"))
    if attribute.kind == "nominal" and value is not None and value not in attribute.values:
        what = f"{value[:40]!r} is not one of the values of attribute {attribute.name!r}"
        raise data_error(where, what, "correct it, or list it in the attribute")
    return value


def _split(where: str, line: str) -> list[str | None]:
    """Return the values between commas, None for a question mark without quotes."""
    if "'" not in line and '"' not in line:
        return [None if (value := part.strip()) == "?" else value for part in line.split(",")]
    values: list[str | None] = []
    place = 0
    while place <= len(line):
        match = _VALUE.match(line, place)
        if match is None:
            raise _broken_quotes(where)
        text = match[1].rstrip()
        values.append(None if text == "?" else _unquoted(text))
        place = match.end() + (match.end() == len(line) and not match[0].endswith(","))
    return values


def _broken_quotes(where: str) -> DataError:
    return data_error(
        where, "a quote is not closed, or has text before or after it", "close it, and write quotes inside as \\'"
    )


def _unquoted(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return text
    return _ESCAPED.sub(lambda match: _CONTROL.get(match[1], match[1]), text[1:-1])


def _column(cells: dict[int, list[Any]], places: list[int], *, is_series: bool) -> pa.Array:
    values = cells[places[0]]
    if isinstance(values[0], np.ndarray):
        return to_lists(values)
    if is_series:
        return to_lists(list(np.stack([cells[place] for place in places], axis=1)[:, :, None]))
    return pa.array(values, pa.float64() if isinstance(values[0], float) else pa.string())
