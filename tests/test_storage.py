"""Writes are atomic in every kind of folder."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs

from tuner.errors import InputError, MissingFileError, StorageError
from tuner.storage import Folder, extension, join, split


def local(path: Path) -> Folder:
    return Folder.at(path)


def by_uri(path: Path) -> Folder:
    return Folder.at(f"file://{path}")


def not_local(path: Path) -> Folder:
    """Return a folder that pyarrow does not recognise as local, like one on S3."""
    return Folder(fs.SubTreeFileSystem(str(path), fs.LocalFileSystem()), "runs")


KINDS = pytest.mark.parametrize("at", [local, by_uri, not_local], ids=lambda at: at.__name__)


@contextmanager
def full_disk(after_bytes: int) -> Iterator[None]:
    """Limit the file size of this process, so that a write begins and then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@KINDS
def test_what_was_written_is_read(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    folder.write("deep/er/name.bin", b"\x00content")
    assert folder.read("deep/er/name.bin") == b"\x00content"
    assert folder.exists("deep/er/name.bin")
    assert not folder.exists("deep/er/other.bin")


@KINDS
def test_an_arrow_buffer_is_written_as_its_bytes(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    folder.write("buffer", pa.py_buffer(b"arrow"))
    assert folder.read("buffer") == b"arrow"


@KINDS
def test_a_second_write_replaces_the_first(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    folder.write("name", b"a long first content")
    folder.write("name", b"second")
    assert folder.read("name") == b"second"
    assert folder.names() == ["name"]


@KINDS
def test_names_lists_this_folder_and_all_files_also_those_below(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    for name in ("b", "a/deep/c", "a/d"):
        folder.write(name, b"")
    assert folder.names() == ["a", "b"]
    assert folder.all_files() == ["a/d", "a/deep/c", "b"]
    assert folder.below("a").all_files() == ["d", "deep/c"]


@KINDS
def test_a_missing_folder_is_empty(at: object, tmp_path: Path) -> None:
    nowhere = at(tmp_path).below("nowhere")  # type: ignore[operator]
    assert not nowhere.exists()
    assert (nowhere.names(), nowhere.all_files()) == ([], [])


@KINDS
def test_deleting_something_missing_does_nothing(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    folder.write("kept/name", b"x")
    folder.delete("other")
    folder.delete_folder("others")
    folder.delete("kept/name")
    assert folder.all_files() == []
    folder.delete_folder("kept")
    assert not folder.exists("kept")


@KINDS
def test_reading_a_missing_file_says_so(at: object, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        at(tmp_path).read("nothing")  # type: ignore[operator]


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write("name", b"old")
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        folder.write("name", bytes(100_000))
    assert folder.read("name") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_first_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "new")
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        folder.write("name", bytes(100_000))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_draft_left_by_a_crash_is_not_listed(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write("deep/name", b"x")
    (tmp_path / "deep" / "name.12345678.draft").write_bytes(b"half")
    assert folder.below("deep").names() == ["name"]
    assert folder.all_files() == ["deep/name"]


def test_home_and_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Folder.at("~/runs").path == f"{tmp_path}/runs"
    assert Folder.at("runs").path == f"{tmp_path}/runs"


def test_a_local_folder_is_shown_as_a_path_and_others_with_their_kind(tmp_path: Path) -> None:
    assert str(local(tmp_path)) == str(by_uri(tmp_path)) == str(tmp_path)
    assert str(not_local(tmp_path)) == "subtree://runs"


@KINDS
def test_the_check_of_a_writable_folder_leaves_nothing_behind(at: object, tmp_path: Path) -> None:
    folder = at(tmp_path)  # type: ignore[operator]
    folder.write("kept", b"x")
    folder.check_writable()
    assert folder.names() == ["kept"]


def test_the_check_makes_no_folder(tmp_path: Path) -> None:
    Folder.at(tmp_path / "deep" / "er").check_writable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/runs", "/proc/runs/deep"])
def test_the_check_names_an_unwritable_place(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    folder = Folder.at(place)
    with pytest.raises(StorageError, match=f"{place}: nothing can be written there .*; "):
        folder.check_writable()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("foo://x", "foo://x: cannot be reached .*download it and use a local path"),
        ("file://rel", "cannot be reached"),
        ("hdfs://", "hdfs://: cannot be reached"),
        ("~nobody-of-this-name/x", "is not a usable path"),
    ],
)
def test_an_impossible_location_is_an_input_error(location: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Folder.at(location)


@pytest.mark.parametrize("name", ["nul\0", "long" * 100])
def test_an_impossible_file_name_is_an_input_error(name: str, tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    for act in (folder.read, folder.exists, lambda name: folder.write(name, b"")):
        with pytest.raises(InputError, match="cannot be"):
            act(name)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write("file", b"")
    with pytest.raises(StorageError, match=r"file/name: cannot be written .*a file exists where a folder is needed"):
        folder.write("file/name", b"x")
    with pytest.raises(StorageError, match="file: cannot be listed"):
        folder.below("file").names()
    with pytest.raises(StorageError, match="cannot be written"):
        Folder.at("/proc").write("nothing/name", b"")


@pytest.mark.slow  # its client retries for six seconds
def test_a_store_that_does_not_answer_fails_with_its_address() -> None:
    folder = Folder.at("s3://key:secret@bucket/runs?region=us-east-1&scheme=http&endpoint_override=localhost:1")
    with pytest.raises(StorageError, match=r"s3://bucket/runs: cannot be reached .*the network and the credentials"):
        folder.exists()


def test_a_missing_file_differs_from_an_unreadable_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nothing: cannot be read"):
        Folder.at(tmp_path).read("nothing")
    with pytest.raises(StorageError, match="cannot be read") as found:
        Folder.at(tmp_path).read("")
    assert not isinstance(found.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("location", "joined"),
    [
        ("runs", "runs/a"),
        ("runs/", "runs/a"),
        ("/", "/a"),
        ("file:///", "file:///a"),
        ("s3://bucket/runs?region=x&y=z", "s3://bucket/runs/a?region=x&y=z"),
        ("what?", "what?/a"),
    ],
)
def test_a_name_is_joined_before_the_query_of_a_uri(location: str, joined: str) -> None:
    assert join(location, "a") == joined


@pytest.mark.parametrize(
    ("location", "folder", "name", "kind"),
    [
        ("a.csv", ".", "a.csv", ".csv"),
        ("/a.CSV", "/", "a.CSV", ".csv"),
        ("deep/a", "deep", "a", ""),
        ("file:///a.csv", "file:///", "a.csv", ".csv"),
        ("s3://bucket/a.parquet?region=x.y", "s3://bucket?region=x.y", "a.parquet", ".parquet"),
    ],
)
def test_a_location_is_split_into_folder_and_name(location: str, folder: str, name: str, kind: str) -> None:
    assert split(location) == (folder, name)
    assert extension(location) == kind
