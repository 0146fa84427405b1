"""Seeded mutations of data files: each ends in a message and exit code 2, or in the file's rows and labels.

`tuner validate --with-data` runs in this process. Nothing may be written, and nothing may take long.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.fuzz import (
    OF_BYTES,
    Generator,
    Rows,
    count_rows,
    follow_remedies,
    make_rows,
    make_space,
    read_counts,
    run_checked,
    write_rows,
)
from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import to_labelled_rows

_DEEP = 5_000
ODD_TEXTS = [
    "", " ", "\ufeff", "\u202eright to left", "👩‍👩‍👧", "a\u0301", "\u200b", "nan", "NULL", "\r", "\x1b[31mred", "=1+1",
    "word " * 100_000, "x" * 1_000_000, "|", "a|b", "[", '["a"', "[[[]]]", "9" * 400, "-1e400", "\U0010ffff", "🏳", "\n\n",
    "\u2028", "\x85", "\x0b", "\x7f", "ﷺ" * 1000, "́" * 1000, '"', "''", "\\", "\\u0000", "[NaN]", "[[1e999]]", "[1, [2]]",
]  # fmt: skip
ODD_CELLS: list[Any] = [
    None, [], {}, 1, 1e308, 10**400, True, [[]], [None], {"a": 1}, [[1, 2], [3]], -0.0, float("nan"), float("-inf"), 2**63,
    [[[[1]]]], ["a", 1], [True], 0.5, -1, "1", [{}],
]  # fmt: skip
KINDS = {
    "binary": ("binary", "text", ""),
    "multilabel": ("multilabel", "text", ""),
    "sequence": ("binary", "sequence", ""),
    "columns": ("multilabel", "text", "label_columns: [x, y]"),
}
NAMES = ["rows.csv", "rows.jsonl", "rows.parquet"]


# --- mutations of cells ---------------------------------------------------------------------------------------------


def odd_cell(rows: Rows, random: Generator) -> Rows:
    """Put an odd value in one cell."""
    text = ODD_TEXTS[random.integers(len(ODD_TEXTS))]
    values = [text, [text], *ODD_CELLS]
    name = list(rows)[random.integers(len(rows))]
    if not rows[name]:
        return rows
    cells = list(rows[name])
    cells[random.integers(len(cells))] = values[random.integers(len(values))] if random.random() < 0.5 else text
    return {**rows, name: cells}


def odd_column(rows: Rows, random: Generator) -> Rows:
    """Put an odd value in every cell of a column."""
    values: list[Any] = [ODD_TEXTS[random.integers(len(ODD_TEXTS) - 1)][:1000], *ODD_CELLS]
    name = list(rows)[random.integers(len(rows))]
    return {**rows, name: [values[random.integers(len(values))]] * len(rows[name])}


def odd_names(rows: Rows, random: Generator) -> Rows:
    """Rename a column, drop it, or reverse the columns."""
    names = list(rows)
    name = names[random.integers(len(names))]
    chance = random.integers(3)
    if chance == 0 and len(names) > 1:
        return {other: rows[other] for other in names if other != name}
    if chance == 1:
        return {other: rows[other] for other in reversed(names)}
    odd = ["", " text", "TEXT", "te\u0445t", "label\u200b", "a" * 10_000, "\x1b[31m", "0", "null", '"', ",", "\n"]
    new = odd[random.integers(len(odd))]
    return {(new if other == name else other): rows[other] for other in names}


def fewer_or_more(rows: Rows, random: Generator) -> Rows:
    """Repeat rows, or keep only a few or none."""
    count = len(next(iter(rows.values())))
    picked = random.integers(0, max(count, 1), [0, 1, 2, 5, 300][random.integers(5)] if count else 0)
    return {name: [cells[number] for number in picked] for name, cells in rows.items()}


OF_ROWS = [odd_cell, odd_cell, odd_cell, odd_column, odd_column, odd_names, fewer_or_more]


def write_odd_rows(name: str, rows: Rows, random: Generator) -> bytes:
    """Write rows of any cells. In Parquet, a column that Arrow cannot hold becomes text."""
    if not name.endswith(".parquet"):
        return write_rows(name, rows)
    arrays = {}
    for column, cells in rows.items():
        try:
            arrays[column] = pa.array(cells)
            pq.write_table(pa.table({"x": arrays[column]}), io.BytesIO())
        except (pa.ArrowException, OverflowError, TypeError):
            arrays[column] = pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
    sink = io.BytesIO()
    codec = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"][random.integers(6)]
    pq.write_table(pa.table(arrays), sink, compression=codec, use_dictionary=bool(random.integers(2)))
    return sink.getvalue()


def validate(call: Any, space: str, name: str, data: bytes, *more: str) -> tuple[int, str]:
    Path("space.yaml").write_text(space, encoding="utf-8")
    Path(name).write_bytes(data)
    arguments = ("validate", "space.yaml", "--with-data", *more)
    code, out, err = run_checked(call, *arguments)
    assert out == ""
    follow_remedies(call, arguments, err)
    if code == 0:
        assert "valid: " in err
        skipped = sum(line.count("left out, as") for line in err.splitlines())
        rows, labels = read_counts(err)
        assert labels >= 1
        assert rows == count_rows(name, data) or skipped, err
    return code, err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_an_unspoilt_file_is_valid(kind: str, name: str, call: Any) -> None:
    task, inputs, labels = KINDS[kind]
    rows = make_rows(np.random.default_rng(0), kind)
    code, err = validate(call, make_space(task, name, inputs, labels=labels), name, write_rows(name, rows))
    assert (code, read_counts(err)) == (0, (40, 3 if kind == "multilabel" else 2))


@pytest.mark.parametrize("seed", range(130))
def test_a_file_with_spoilt_bytes_is_refused_or_valid(seed: int, call: Any) -> None:
    random = np.random.default_rng((seed, 1))
    kind, name = list(KINDS)[seed % 4], NAMES[random.integers(3)]
    task, inputs, labels = KINDS[kind]
    data = write_rows(name, make_rows(random, kind))
    data = OF_BYTES[random.integers(len(OF_BYTES))](data, random)
    validate(call, make_space(task, name, inputs, labels=labels), name, data)


@pytest.mark.parametrize("seed", range(170))
def test_a_file_with_odd_cells_is_refused_or_valid(seed: int, call: Any) -> None:
    random = np.random.default_rng((seed, 3))
    kind, name = list(KINDS)[seed % 4], NAMES[random.integers(3)]
    task, inputs, labels = KINDS[kind]
    rows = make_rows(random, kind)
    for _ in range(random.integers(1, 4)):
        rows = OF_ROWS[random.integers(len(OF_ROWS))](rows, random) or rows
    more = "\n  skip_unusable: true" if random.random() < 0.4 else ""
    space = make_space(
        task, name, inputs, labels=labels or ("labels: labels" if task == "multilabel" else "label: label"), more=more
    )
    validate(call, space, name, write_odd_rows(name, rows, random))


# --- bugs that fuzzing found ---------------------------------------------------------------------------------------------


def test_a_null_list_over_leftover_labels_is_null() -> None:
    lists = pa.ListArray.from_arrays(
        pa.array(range(0, 82, 2), pa.int32()), pa.array(["a", "b"] * 40), mask=pa.array([row == 6 for row in range(40)])
    )
    table = pa.table({"text": [f"text {row}" for row in range(40)], "labels": lists})
    findings = Findings()
    rows = to_labelled_rows(table, "rows.parquet", Columns(text="text", labels="labels"), findings)
    assert rows is not None
    assert rows.owners.tolist() == [row for row in range(40) for _ in "ab" if row != 6]
    assert {reason: rows.tolist() for reason, rows in findings.unusable.items()} == {
        "the list in column 'labels' is null": [6]
    }


def test_a_signalling_nan_is_reported_as_nan(call: Any) -> None:
    steps = np.array([0x7FF0_0000_0000_0001, 0x3FF0_0000_0000_0000] * 20).view(np.float64)
    lists = pa.ListArray.from_arrays(pa.array(range(41), pa.int32()), pa.array(steps))
    sink = io.BytesIO()
    pq.write_table(pa.table({"sequence": lists, "label": ["a", "b"] * 20}), sink)
    code, err = validate(call, make_space("binary", "a.parquet", "sequence"), "a.parquet", sink.getvalue())
    assert code == 2
    assert "the sequence in column 'sequence' has only null or NaN" in err
