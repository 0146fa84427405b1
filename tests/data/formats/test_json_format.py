"""Arrays of objects beside JSON Lines, and objects that hold all rows."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuner.data.table_reader import read_table
from tuner.errors import DataError

ROWS = [{"text": "a", "label": "01", "n": [1, 2]}, {"text": "ü", "label": "02", "n": [3]}]
BY_COLUMN = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def write(content: str | bytes) -> str:
    Path("a.json").write_bytes(content.encode() if isinstance(content, str) else content)
    return "a.json"


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_an_array_of_objects_is_read(indent: int | None, mark: bytes) -> None:
    uri = write(mark + json.dumps(ROWS, indent=indent).encode())
    assert read_table(uri, ["text", "label", "n"]).to_pylist() == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, 3]', r"a\.json: row 2: the line holds a number, not an object"),
        ('[{"text": "a"},\n{"text": 3}]', r"a\.json: row 2: 'text' is a number, but a string in line 1"),
        ("[]", "the array has no rows"),
        ('[{"text": "a"}\n', r"a\.json:2: the array of rows is not JSON \(Expecting ',' delimiter, character 1\)"),
        ('[{"text": "a"},\n{"text": "b"},\n]', r"a\.json:3: the array of rows is not JSON"),
        ('["a"]\n["b"]', r"a\.json:1: the line holds a list, not an object"),
        ("[" * 9000, "nested more than 64 levels deep"),
    ],
)
def test_a_faulty_array_is_refused_with_its_row(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(content))


INDEX = [str(row) for row in range(len(ROWS))]
OBJECTS: dict[str, Any] = {
    "lists": BY_COLUMN,
    "columns": {name: dict(zip(INDEX, column, strict=True)) for name, column in BY_COLUMN.items()},
    "index": {"x": ROWS[0], "y": ROWS[1]},
    "split": {"columns": list(BY_COLUMN), "index": [0, 1], "data": [list(row.values()) for row in ROWS]},
    "data": {"version": 1, "data": ROWS},
    "named": {"o'ne {}": ROWS},
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_that_holds_all_rows_is_refused_with_a_line_that_works(name: str, indent: int | None) -> None:
    uri = write(json.dumps(OBJECTS[name], indent=indent))
    with pytest.raises(DataError, match="one JSON object that holds all rows; write one object per line") as raised:
        read_table(uri)
    command = raised.value.faults[0].remedy.partition("python ")[2]
    subprocess.run(f"{sys.executable} {command}", shell=True, check=True)
    assert read_table("a-lines.jsonl", ["text", "label", "n"]).to_pylist() == ROWS


def test_a_file_of_one_row_is_read() -> None:
    assert read_table(write('{"text": "a", "tokens": ["b"], "more": {"x": 1}}')).num_rows == 1


def test_the_line_that_converts_a_compressed_object_works() -> None:
    Path("a.json.gz").write_bytes(gzip.compress(json.dumps({"data": ROWS}).encode()))
    with pytest.raises(DataError) as raised:
        read_table("a.json.gz")
    command = raised.value.faults[0].remedy.partition("python ")[2]
    subprocess.run(f"{sys.executable} {command}", shell=True, check=True)
    assert read_table("a-lines.jsonl").to_pylist() == ROWS
