"""Folders of parts, patterns, compressed files, and names that say another format."""

from __future__ import annotations

import gzip
import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.formats.compression import unpack
from tuner.data.formats.content import Reading
from tuner.data.load import load_data
from tuner.data.table_reader import fingerprint, read_table
from tuner.errors import DataError
from tuner.space.settings import DataSettings

Read = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parts(*names: str) -> None:
    """Write files of two rows each. Their texts are the names of the files with 0 and 1 after them."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        texts = [f"{Path(name).name} {row}" for row in range(2)]
        content = "text,label\n" + "".join(f"{text},{'xy'[row]}\n" for row, text in enumerate(texts))
        if ".parquet" in name:
            pq.write_table(pa.table({"text": texts, "label": ["x", "y"]}), name)
        elif name.endswith(".zst"):
            Path(name).write_bytes(pa.compress(content.encode(), codec="zstd", asbytes=True))
        else:
            Path(name).write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())


def read(uri: str, source: str | None = "data.train") -> tuple[list[str], list[str]]:
    """Return the names of the files that the rows come from, and the notes."""
    notes: list[str] = []
    texts = read_table(uri, ["text", "label"], reading=Reading(source=source, note=notes.append))["text"].to_pylist()
    assert [text[-1] for text in texts] == ["0", "1"] * (len(texts) // 2)
    return [text[:-2] for text in texts[::2]], notes


@pytest.mark.parametrize("uri", ["data", "data/", "data/part-*", "data/part-0000?.parquet", "data/part-0000[012].*"])
def test_the_parts_of_a_folder_or_pattern_are_read_in_the_order_of_their_names(uri: str, tmp_path: Path) -> None:
    names = [f"part-0000{number}.parquet" for number in (2, 0, 1)]
    parts(*(f"data/{name}" for name in names))
    for name in ("_SUCCESS", "_metadata", ".part-00000.parquet.crc", "dataset_info.json"):
        Path("data", name).write_text("{}")
    for each in (uri, f"{tmp_path.as_uri()}/{uri}") if "?" not in uri else (uri,):
        found, (note,) = read(each)
        assert found == sorted(names)
        assert "3 files are read as one, from part-00000.parquet to part-00002.parquet, and their rows" in note


def test_compressed_files_are_read_beside_others_of_their_format() -> None:
    parts("data/a.csv", "data/b.csv.gz", "data/c.csv.zst")
    assert read("data")[0] == ["a.csv", "b.csv.gz", "c.csv.zst"]


def test_a_file_of_several_gzip_members_is_read_whole() -> None:
    Path("a.csv.gz").write_bytes(gzip.compress(b"text,label\n0,x\n") + gzip.compress(b"1,y\n"))
    assert read_table("a.csv.gz")["text"].to_pylist() == ["0", "1"]


@pytest.mark.parametrize(
    "content",
    [b"text\na\n", gzip.compress(b"text\na\n" * 99)[:-9], gzip.compress(b"text\na\n") + b"x"],
    ids=["plain", "cut", "longer"],
)
def test_what_cannot_be_unpacked_is_refused(content: bytes) -> None:
    Path("a.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.csv\.gz: the name says gzip, but it cannot be unpacked"):
        read_table("a.csv.gz")


def test_what_unpacks_to_more_than_fits_into_memory_is_refused() -> None:
    file = pa.BufferReader(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(DataError, match=r"unpacked, it is larger than the 0\.0 GB of memory that are free"):
        unpack("a.csv.gz", file, "gzip", most_bytes=30_000_000)


def test_a_name_with_the_marks_of_a_pattern_is_read_as_it_is() -> None:
    parts("a[1]*.csv", "a1b.csv")
    assert read("a[1]*.csv")[0] == ["a[1]*.csv"]


@pytest.mark.parametrize(
    ("names", "what", "source", "chosen"),
    [
        (
            ("d/train-00000-of-00001.csv", "d/test-00000-of-00001.csv"),
            "2 splits",
            "data.train",
            ["train-00000-of-00001.csv"],
        ),
        (("d/train-1.csv", "d/train-2.csv", "d/test-1.csv"), "2 splits", "data.train", ["train-1.csv", "train-2.csv"]),
        (("d/train-1.csv", "d/test-1.csv", "d/test-2.csv"), "2 splits", "data.test", ["test-1.csv", "test-2.csv"]),
        (("d/Train.csv", "d/validation.csv", "d/test.csv"), "3 splits", None, ["Train.csv"]),
        (("d e/a.csv", "d e/b.csv", "d e/c.parquet"), "2 formats", "data.train", ["a.csv", "b.csv"]),
        (("d/a.csv", "d/b.csv.gz", "d/a.parquet"), "2 formats", "data.train", None),
    ],
)
def test_files_of_several_kinds_are_refused_with_a_pattern_that_works(
    names: tuple[str, ...], what: str, source: str | None, chosen: list[str] | None
) -> None:
    parts(*names)
    with pytest.raises(DataError, match=f"there are files of {what} here; name one kind") as raised:
        read(names[0].partition("/")[0], source)
    remedy = shlex.split(raised.value.faults[0].remedy.partition(": ")[2].partition("; the others are")[0])
    if source is not None:
        assert remedy[0] == "--set"
        assert remedy[1].startswith(f"{source}=")
    if chosen is not None:
        assert read(remedy[-1].partition("=")[2] or remedy[-1])[0] == chosen


@pytest.mark.parametrize(
    ("names", "uri", "message"),
    [
        ((), "data", r"data: the folder holds no file of a known format; known are"),
        (("data/more/a.csv",), "data", r"but the folder 'more' in it does; name it: --set data\.train=data/more"),
        (
            ("data/label=x/a.csv",),
            "data",
            r"values of a column are the names of folders, as in 'label=x'; write one file",
        ),
        (("data/a.csv",), "data/b*", r"no file in .*/data matches 'b\*'; the files are a\.csv"),
        (("data/a.csv",), "d*/a.csv", "a pattern in the name of a folder is not read"),
        (("a.xlsx",), "a.xlsx", r"spreadsheet, which is not read; .*read_excel\(\"a\.xlsx\"\).*pip install openpyxl"),
        (("a.xlsx",), "*.xlsx", "spreadsheet, which is not read"),
        (("a.zip",), "a.zip", "this is an archive of files; unpack it"),
        (("a.tar.gz",), "a.tar.gz", "this is an archive of files; unpack it"),
    ],
)
def test_what_has_no_rows_to_read_is_refused(names: tuple[str, ...], uri: str, message: str) -> None:
    Path("data").mkdir()
    parts(*names)
    with pytest.raises(DataError, match=message):
        read(uri)


def test_a_missing_folder_is_named_as_missing() -> None:
    parts("parts/a.csv")
    with pytest.raises(DataError, match=r"part: there is no file or folder .*part; did you mean 'parts'"):
        read("part")


def test_one_part_of_several_is_noted_with_the_pattern_of_all() -> None:
    parts(*(f"data/train-0000{number}-of-00003.csv" for number in range(3)))
    found, (note,) = read("data/train-00000-of-00003.csv")
    assert len(found) == 1
    assert "this is 1 of 3 parts in its folder, and only its rows are read; to read all: --set" in note
    setting = shlex.split(note.partition("--set ")[2])[0]
    assert len(read(setting.partition("=")[2])[0]) == 3


def test_missing_parts_are_noted() -> None:
    parts("data/train-00000-of-00003.csv", "data/train-00002-of-00003.csv")
    assert read("data")[1][1] == "data: 1 of 3 parts train-… are missing; the first is number 1"
    Path("data/train-00000-of-00003.csv").unlink()
    assert "2 of 3 parts train-… are missing" in read("data/train-00002-of-00003.csv")[1][0]


def test_parts_with_other_columns_or_values_are_refused() -> None:
    parts("data/a.parquet")
    pq.write_table(pa.table({"text": ["a"], "topic": ["x"]}), "data/b.parquet")
    with pytest.raises(
        DataError, match=r"data/b\.parquet: its columns differ from those of data/a\.parquet: 'label' only"
    ):
        read("data")
    with pytest.raises(DataError, match=r"data/b\.parquet: its columns differ .*'label', 'topic' only"):
        read_table("data")
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), "data/b.parquet")
    with pytest.raises(DataError, match=r"data/b\.parquet: column 'label' holds int64, but string in the files before"):
        read("data")


def test_an_empty_part_is_left_out_with_a_note() -> None:
    parts("data/a.csv", "data/c.csv")
    Path("data/b.csv").touch()
    found, notes = read("data")
    assert found == ["a.csv", "c.csv"]
    assert notes[1] == "data/b.csv: the file is empty (0 bytes), and is left out"


def test_the_fingerprint_of_a_folder_covers_names_and_content() -> None:
    parts("data/a.csv", "data/b.csv")
    seen = {fingerprint("data")}
    assert fingerprint("data/*.csv") in seen
    Path("data/b.csv").rename("data/c.csv")
    seen.add(fingerprint("data"))
    Path("data/c.csv").write_text("text,label\n")
    seen.add(fingerprint("data"))
    assert len(seen) == 3
    Path("data/c.csv").unlink()
    assert fingerprint("data") == hashlib.sha256(Path("data/a.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize("test", ["data", "data/", "data/a*", "data/a.csv", "./data/b.csv"])
def test_two_splits_may_not_share_a_file(test: str) -> None:
    parts("data/a.csv", "data/b.csv")
    with pytest.raises(DataError, match=r"data\.test: .*(is already another split|both hold .*data/[ab]\.csv)"):
        load_data(DataSettings(train="data", test=test, text="text", label="label"), "binary", seed=0)
