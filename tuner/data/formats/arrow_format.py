"""Read Arrow files: Feather, and the files and streams of Arrow's own format, as Hugging Face's datasets are kept."""

from __future__ import annotations

import pyarrow as pa

from tuner.data.formats.content import Choose


def read_arrow(_uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read the chosen columns."""
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    table = (pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)).read_all()
    chosen = choose(table.column_names)
    return table if chosen is None else table.select(chosen)
