"""Numbers that stand for names: Hugging Face's ClassLabel, and categories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.table_reader import read_table
from tuner.errors import DataError

CLASSES = {"names": ["neg", "pos"], "_type": "ClassLabel"}


def write(path: Path, columns: dict[str, Any], features: Any) -> str:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return str(path)


@pytest.mark.parametrize(
    "of_list",
    [{"feature": CLASSES, "_type": "Sequence"}, {"feature": CLASSES, "_type": "List"}, [CLASSES]],
)
def test_numbers_of_classes_become_their_names(tmp_path: Path, of_list: Any) -> None:
    columns = {
        "text": ["a", "b", "c"],
        "label": pa.array([1, -1, 0]),
        "tags": pa.array([[1, 0], None, []], pa.list_(pa.int64())),
        "count": [1, 0, 1],
    }
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": CLASSES, "tags": of_list}
    assert read_table(write(tmp_path / "a.parquet", columns, features)).to_pydict() == {
        "text": ["a", "b", "c"],
        "label": ["pos", None, "neg"],
        "tags": [["pos", "neg"], None, []],
        "count": [1, 0, 1],
    }


def test_a_number_without_a_name_is_refused_with_its_row(tmp_path: Path) -> None:
    uri = write(tmp_path / "a.parquet", {"label": [1, 0, 2]}, {"label": CLASSES})
    with pytest.raises(DataError, match=r"column 'label': row 3: class 2 of 2 has no name; write the file again"):
        read_table(uri)


@pytest.mark.parametrize("features", [None, [], {"label": None}, {"label": {"_type": "ClassLabel"}}, "no features"])
def test_other_metadata_changes_nothing(tmp_path: Path, features: Any) -> None:
    assert read_table(write(tmp_path / "a.parquet", {"label": [1, 5]}, features))["label"].to_pylist() == [1, 5]


def test_categories_stand_for_their_numbers(tmp_path: Path) -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["x", "y", "x"]).dictionary_encode())
    columns = {"a": pa.array(["x", None]).dictionary_encode(), "b": pa.array([7, 3]).dictionary_encode(), "c": lists}
    for name in ("a.parquet", "a.feather"):
        uri = str(tmp_path / name)
        if name == "a.parquet":
            pq.write_table(pa.table(columns), uri)
        else:
            with pa.OSFile(uri, "wb") as file, pa.ipc.new_file(file, pa.table(columns).schema) as writer:
                writer.write_table(pa.table(columns))
        table = read_table(uri)
        assert table.to_pydict() == {"a": ["x", None], "b": [7, 3], "c": [["x", "y"], ["x"]]}
        assert [str(field.type) for field in table.schema][:2] == ["string", "int64"]
