"""Columns of text, and of values that can be read as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return whole numbers, booleans, dates and text as text, and NaN as null. Return None for any other kind of value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        try:
            return column.cast(pa.int64()).cast(pa.string())
        except pa.ArrowInvalid:  # some are not whole
            return None
    is_named = is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)
    return column.cast(pa.string()) if is_named else None


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of this type are text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(is_string or pa.types.is_null(kind))
