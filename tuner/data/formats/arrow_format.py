"""Read Arrow files: Feather, and the files and streams of Arrow's own format, as Hugging Face's datasets are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tuner.data.formats.content import Choose


def read_arrow(_uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read the chosen columns."""
    schema, batches = open_batches(file)
    table = pa.Table.from_batches(batches, schema)
    chosen = choose(table.column_names)
    return table if chosen is None else table.select(chosen)


def open_batches(file: pa.NativeFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema and the batches of a file or stream."""
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    if not is_file:
        stream = pa.ipc.open_stream(file)
        return stream.schema, iter(stream)
    reader = pa.ipc.open_file(file)
    return reader.schema, map(reader.get_batch, range(reader.num_record_batches))
