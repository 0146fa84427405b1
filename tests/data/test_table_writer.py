"""Written tables: their formats and places, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.table_reader import read_table
from tuner.data.table_writer import _is_same_file, check_output, write_table
from tuner.errors import InputError, UsageError

ROWS = {"row": [1, 2], "prediction": [["a", "b"], []], "p_a": [0.5, 0.25]}


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["rows.parquet", "deep/er/rows.jsonl", "./rows.JSONL"])
def test_a_table_is_read_back_as_it_was_written(name: str) -> None:
    Path("deep/er").mkdir(parents=True)
    check_output(name, source="texts.csv")
    write_table(pa.table(ROWS), name)
    assert read_table(name).to_pydict() == ROWS


def test_csv_holds_lists_as_json() -> None:
    write_table(pa.table(ROWS), "rows.csv")
    assert read_table("rows.csv")["prediction"].to_pylist() == ['["a", "b"]', "[]"]


def test_a_file_at_the_top_of_a_file_system_is_written_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    name = f"{tmp_path}/rows.parquet"
    monkeypatch.chdir(tmp_path / "elsewhere")
    for uri in (name, f"file://{name}"):
        write_table(pa.table(ROWS), uri)
        assert pq.read_table(name).num_rows == 2
        Path(name).unlink()
    with pytest.raises(InputError, match=r"^/proc/rows\.csv: cannot be written"):  # and not ./rows.csv
        write_table(pa.table(ROWS), "/proc/rows.csv")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("rows.xlsx", "--out rows.xlsx: the extension '.xlsx' names no format"),
        ("rows", "--out rows: the name has no extension"),
        ("folder.csv", "--out folder.csv: this is a folder, not a file; name a file in it"),
        ("file.csv/rows.csv", "file.csv: nothing can be written there .*; "),
        ("/proc/rows.csv", "/proc: nothing can be written there"),
        (
            "deep/er/rows.csv",
            "--out deep/er/rows.csv: there is no folder .*deep/er; create it first, or name an existing folder",
        ),
        ("foo://x/rows.csv", "foo://x/rows.csv: cannot be reached"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left_there(uri: str, message: str) -> None:
    Path("folder.csv").mkdir()
    Path("file.csv").touch()
    with pytest.raises(InputError, match=message):
        check_output(uri, source="texts.csv")
    assert sorted(path.name for path in Path().iterdir()) == ["file.csv", "folder.csv"]


@pytest.mark.parametrize("source", ["rows.csv", "./folder/../rows.csv", "{here}/rows.csv", "file://{here}/rows.csv"])
@pytest.mark.parametrize("out", ["rows.csv", "file://{here}/rows.csv", "link.csv"])
def test_the_file_that_is_read_is_never_written_over(out: str, source: str) -> None:
    Path("folder").mkdir()
    Path("rows.csv").write_text("text\nalpha\n")
    Path("link.csv").symlink_to("rows.csv")
    out, source = out.format(here=Path.cwd()), source.format(here=Path.cwd())
    with pytest.raises(
        UsageError, match=r"--out .*: this is .*, the input file, which would be overwritten; name another"
    ):
        check_output(out, source=source)
    check_output("folder/rows.csv", source=source)


def test_objects_of_the_same_name_in_other_buckets_are_other_files() -> None:
    query = "?region=us-east-1&scheme=http&endpoint_override=localhost:1"
    uri = f"s3://key:secret@bucket/rows.csv{query}"
    with pytest.raises(UsageError, match="the input file"):
        check_output(uri, source=uri)
    for other in (uri.replace("rows", "more"), uri.replace("bucket", "another"), "bucket/rows.csv"):
        assert not _is_same_file(uri, other)
