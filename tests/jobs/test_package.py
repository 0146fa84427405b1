"""What travels to a cluster with a job."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from tuner.errors import DataError, UsageError
from tuner.jobs import package
from tuner.jobs.package import Package, make_package
from tuner.space.load import load_space, read_space

SPACE = """
task: multiclass # a comment
data: {train: rows/train.csv, test: rows/test.csv, text: text, label: label}
search: {trials: 4}
space: {hidden: 8}
"""
ROWS = "text,label\na,b\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a space in a folder of its own and its rows below it."""
    monkeypatch.chdir(tmp_path)
    rows = tmp_path / "spaces" / "rows"
    rows.mkdir(parents=True)
    (rows / "train.csv").write_text(ROWS)
    (rows / "test.csv").write_text(f"{ROWS}c,d\n")
    (tmp_path / "spaces" / "mine.yaml").write_text(SPACE)
    return tmp_path


def unpack(package: Package, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(package.content)) as file:
        file.extractall(folder)
    return folder


def pack(*overrides: str) -> Package:
    return make_package(load_space("spaces/mine.yaml", overrides))


def test_a_space_and_its_rows_mean_the_same_on_the_other_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack("search.trials=7")
    monkeypatch.chdir(unpack(packed, folder / "there"))
    space = load_space(packed.space)
    assert packed.space == "mine.yaml"
    assert "# a comment" in space.text
    assert (space.search.trials, space.data.train, space.data.test) == (7, "rows-1/train.csv", "rows-1/test.csv")
    assert Path(str(space.data.test)).read_text() == f"{ROWS}c,d\n"


@pytest.mark.parametrize(("value", "place"), [("spaces/rows", "rows-1"), ("spaces/rows/t*.csv", "rows-1/t*.csv")])
def test_all_files_of_a_folder_and_of_a_pattern_travel(value: str, place: str, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "spaces" / "rows" / f"t{name}.csv").write_text(ROWS)
    for name in ("train.csv", "test.csv"):
        (folder / "spaces" / "rows" / name).unlink()
    there = unpack(pack(f"data.train={value}", "data.test=0.2"), folder / "there")
    assert read_space((there / "mine.yaml").read_text()).data.train == place
    assert sorted(path.name for path in (there / "rows-1").iterdir()) == ["ta.csv", "tb.csv"]


def test_files_of_one_name_in_two_folders_are_kept_apart(folder: Path) -> None:
    (folder / "test").mkdir()
    (folder / "test" / "train.csv").write_text("other")
    there = unpack(pack("data.test=test/train.csv"), folder / "there")
    assert (there / "rows-1" / "train.csv").read_text() == ROWS
    assert (there / "rows-2" / "train.csv").read_text() == "other"


def test_the_same_content_has_the_same_name_and_other_content_another_one(folder: Path) -> None:
    first = pack()
    assert pack() == first
    (folder / "spaces" / "rows" / "train.csv").write_text(f"{ROWS}e,f\n")
    assert pack().name != first.name


def test_addresses_and_built_in_rows_are_read_where_they_are() -> None:
    packed = pack("data.train=s3://bucket/rows.parquet", "data.test=builtin:docstrings")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as file:
        assert file.namelist() == ["mine.yaml"]
    assert packed.notes == ()


def test_a_path_that_only_the_cluster_has_is_named(folder: Path) -> None:
    packed = pack("data.train=/mnt/nowhere/rows.csv")
    assert packed.notes == (
        "data.train: this machine has no /mnt/nowhere/rows.csv, so the head of the cluster must have it",
    )
    assert "/mnt/nowhere/rows.csv" in (unpack(packed, folder / "there") / "mine.yaml").read_text()


def test_a_relative_path_without_a_file_is_an_error() -> None:
    with pytest.raises(DataError, match=r"nothing\.csv: there is no file"):
        pack("data.train=nothing.csv")


def test_files_that_are_too_large_are_refused_with_the_two_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_BYTES", 20)
    with pytest.raises(UsageError) as refused:
        pack()
    (fault,) = refused.value.faults
    assert fault.where.endswith("rows/test.csv")
    assert fault.what == "the files of rows have 0 MB, and at most 0 MB travel with a job"
    assert "--set data.test=s3://BUCKET/test.csv" in fault.remedy
    assert "file:///mnt/data/test.csv says that the nodes have a file at that path" in fault.remedy


def test_word_vectors_stay_at_their_path() -> None:
    packed = pack("space.embedding={file: {path: /mnt/vectors.txt}}", "space.tokens=word")
    assert packed.notes == ("word vectors do not travel: the head of the cluster must have /mnt/vectors.txt",)
