"""Put names in place of the numbers that stand for them: Hugging Face's ClassLabel, and categories such as those of pandas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.name_lists import name_rows
from tuner.errors import data_error

_UNLABELLED = -1


def with_value_names(uri: str, table: pa.Table) -> pa.Table:
    """Return the table with the names of classes and categories. A class of -1 becomes null. Raises DataError.

    `datasets` keeps the names of classes in the metadata of the schema.
    """
    classes = _class_names(table.schema.metadata or {})
    for place, field in enumerate(table.schema):
        column = table.column(place)
        kind = _without_categories(field.type)
        if field.name in classes and _holds_numbers(field.type):
            _refuse_unknown(uri, field.name, column, len(classes[field.name]))
            names = pa.array(classes[field.name], pa.string())
            column = pa.chunked_array([_named(chunk, names) for chunk in column.chunks], _of_text(field.type))
        elif kind != field.type:
            column = column.cast(kind)
        if column is not table.column(place):
            table = table.set_column(place, field.name, column)
    return table


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of the classes of each column that has some: Hugging Face's ClassLabel, or a list of it."""
    try:
        described = json.loads(metadata.get(b"huggingface", b"null"))
        features = described["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError):  # it is of another kind, or missing
        return {}
    names = {str(column): _names_of(feature) for column, feature in features}
    return {column: of_classes for column, of_classes in names.items() if of_classes}


def _names_of(feature: Any) -> list[str] | None:
    if isinstance(feature, list) and len(feature) == 1:  # an older way to write a list
        return _names_of(feature[0])
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _names_of(feature.get("feature"))
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _holds_numbers(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind.value_type if _is_list(kind) else kind))


def _of_text(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.string()) if _is_list(kind) else pa.string()


def _refuse_unknown(uri: str, name: str, column: pa.ChunkedArray, count: int) -> None:
    numbers, rows = column, None
    if _is_list(column.type):
        rows, numbers = pc.list_parent_indices(column), pc.list_flatten(column)
    is_unknown = pc.or_(pc.less(numbers, _UNLABELLED), pc.greater_equal(numbers, count))
    places = pc.indices_nonzero(is_unknown)
    if len(places):
        found = sorted(set((places if rows is None else rows.take(places)).to_pylist()))
        what = f"{name_rows([row + 1 for row in found])}: class {numbers[places[0].as_py()]} of {count} has no name"
        remedy = "write the file again with datasets, or without its metadata"
        raise data_error(f"{uri}: column {name!r}", what, remedy)


def _named(numbers: pa.Array, names: pa.Array) -> pa.Array:
    if _is_list(numbers.type):
        whole = pa.concat_arrays([numbers, numbers[:0]])  # a slice has other offsets
        offsets = whole.offsets.cast(pa.int32())
        return pa.ListArray.from_arrays(offsets, _named(whole.values, names), mask=whole.is_null())
    return names.take(pc.if_else(pc.equal(numbers, _UNLABELLED), None, numbers))


def _without_categories(kind: pa.DataType) -> pa.DataType:
    """Return the type of the categories in place of that of their numbers."""
    if pa.types.is_list(kind):
        return pa.list_(_without_categories(kind.value_type))
    return kind.value_type if pa.types.is_dictionary(kind) else kind
