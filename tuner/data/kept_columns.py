"""The columns of a file that are kept beside its predictions."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tuner.data.dataset import Positions
from tuner.data.findings import Findings
from tuner.data.name_lists import list_names
from tuner.data.series.step_rows import is_constant, number_values


def keep_constant(table: pa.Table, series: str, first: Positions, source: str, findings: Findings) -> pa.Table:
    """Return one row for each series: the columns that have one value in all of its rows. A note names the others.

    `first` (series,) are the positions of the rows to take.
    """
    codes = number_values(table.column(series))
    kept = [
        name for name in table.column_names if name == series or is_constant(codes, number_values(table.column(name)))
    ]
    if changing := [repr(name) for name in table.column_names if name not in kept]:
        findings.notes.append(f"{source}: not kept, because they change within a series: {list_names(changing)}")
    return table.select(kept).take(first)


def joined_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return names and types that hold the columns of all. A column of several kinds of values becomes text."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            types[field.name] = _joined_type(types.get(field.name, field.type), field.type)
    return pa.schema(list(types.items()))


def _joined_type(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    if a == b:
        return a
    try:
        schemas = [pa.schema([("", kind)]) for kind in (a, b)]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()


def with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of `schema`: null where the table has none, and of its types."""
    return pa.table([_column(table, field) for field in schema], schema=schema)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(len(table), field.type)])
    column = table.column(field.name)
    try:
        return column.cast(field.type, safe=False)
    except pa.ArrowException:
        return pa.chunked_array([[None if value is None else str(value) for value in column.to_pylist()]], field.type)
