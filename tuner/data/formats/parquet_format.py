"""Read Parquet."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from tuner.data.formats.content import Choose


def read_parquet(_uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read the chosen columns."""
    parquet = pq.ParquetFile(file)
    return parquet.read(columns=choose(parquet.schema_arrow.names))
