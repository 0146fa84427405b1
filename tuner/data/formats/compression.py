"""Unpack compressed files."""

from __future__ import annotations

import pyarrow as pa

from tuner.data.formats.content import first_line
from tuner.errors import data_error

_BLOCK_BYTES = 1 << 24


def unpack(uri: str, file: pa.NativeFile, codec: str, *, most_bytes: int | None) -> pa.NativeFile:
    """Return the content of a compressed file. `codec` is a name of pyarrow's.

    Raises DataError if it is not so compressed, or needs more than `most_bytes` (None: no limit).
    """
    sink = pa.BufferOutputStream()
    try:
        stream = pa.CompressedInputStream(file, codec)
        while block := stream.read(_BLOCK_BYTES):
            sink.write(block)
            if most_bytes is not None and sink.tell() > most_bytes:
                what = f"unpacked, it is larger than the {most_bytes / 1e9:.1f} GB of memory that are free"
                raise data_error(uri, what, "give fewer rows, or use a machine with more memory")
    except OSError as error:
        what = f"the name says {codec}, but it cannot be unpacked ({first_line(error)})"
        raise data_error(uri, what, "fetch the file again, or give it the extension of its content") from error
    return pa.BufferReader(sink.getvalue())
