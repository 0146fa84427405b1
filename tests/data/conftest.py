"""Fixtures of the tests of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.fixtures import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes columns as a Parquet file and returns its path."""

    def write_table(name: str, **columns: Any) -> str:
        pq.write_table(pa.table(columns), tmp_path / name)
        return str(tmp_path / name)

    return write_table
