"""A relative path in a space belongs to the folder of that space; one in a --set belongs to the folder of the person."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.space.load import Space, load_space, read_space

SPACE = "task: binary\ndata: {{train: {train}, text: text, label: label}}\nsearch: {{trials: 1}}\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a space in `spaces` and rows in `rows`."""
    monkeypatch.chdir(tmp_path)
    for folder in ("spaces", "rows", "elsewhere"):
        Path(folder).mkdir()
    Path("rows/a.csv").write_text("text,label\nx,y\n")


def load(train: str, *overrides: str, more: str = "") -> Space:
    Path("spaces/x.yaml").write_text(SPACE.format(train=train) + more)
    return load_space("spaces/x.yaml", overrides)


def test_a_path_is_looked_for_in_the_folder_of_the_space() -> None:
    assert load("../rows/a.csv").data.train == "rows/a.csv"


def test_a_space_means_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("../rows/a.csv")
    monkeypatch.chdir("elsewhere")
    space = load_space(str(tmp_path / "spaces/x.yaml"))
    assert Path(space.data.train).samefile(tmp_path / "rows/a.csv")
    assert space.notes == ()


def test_a_path_in_a_set_is_looked_for_in_this_folder() -> None:
    space = load("missing.csv", "data.train=rows/a.csv")
    assert (space.data.train, space.notes) == ("rows/a.csv", ())
    assert "train: rows/a.csv" in space.text


def test_a_file_that_is_only_in_this_folder_is_read_with_a_note_that_says_what_to_write() -> None:
    space = load("rows/a.csv")
    assert space.data.train == "rows/a.csv"
    assert space.notes == (
        "data.train: there is no rows/a.csv in spaces, the folder of the space, so the one in this folder is read; write "
        "train: ../rows/a.csv, or give it with --set data.train=rows/a.csv",
    )


def test_of_two_files_that_of_the_space_is_read_and_the_other_one_is_named() -> None:
    Path("spaces/rows").mkdir()
    Path("spaces/rows/a.csv").write_text("text,label\nz,y\n")
    space = load("rows/a.csv")
    assert space.data.train == "spaces/rows/a.csv"
    assert space.notes == (
        "data.train is spaces/rows/a.csv, in the folder of the space; rows/a.csv in this folder is not used",
    )


@pytest.mark.parametrize("train", ["builtin:docstrings", "s3://bucket/a.csv", "/rows/a.csv"])
def test_built_in_sets_addresses_and_absolute_paths_stay_as_they_are(train: str) -> None:
    space = load(f"'{train}'")
    assert (space.data.train, space.text_for_anywhere) == (train, space.text)


def test_fractions_and_absent_files_of_other_splits_are_no_paths() -> None:
    space = load("../rows/a.csv, validation: null, folds: 5, test: 0.2")
    assert (space.data.validation, space.data.test) == (None, 0.2)


def test_a_pattern_and_a_folder_belong_to_the_folder_of_the_space_too() -> None:
    assert load("'../rows/*.csv'").data.train == "rows/*.csv"
    assert load("../rows").data.train == "rows"


def test_a_link_to_a_folder_of_spaces_is_followed_before_the_dots(tmp_path: Path) -> None:
    load("../rows/a.csv")
    Path("elsewhere/linked").symlink_to(tmp_path / "spaces")
    found = load_space("elsewhere/linked/x.yaml").data.train
    assert Path(found).samefile("rows/a.csv")


@pytest.mark.parametrize("link", ["linked.yaml", "elsewhere/linked.yaml"])
def test_a_file_that_is_only_beside_the_target_of_a_linked_space_is_read_with_a_note(tmp_path: Path, link: str) -> None:
    Path("spaces/b.csv").write_text("text,label\nx,y\n")
    Path("spaces/x.yaml").write_text(SPACE.format(train="b.csv"))
    Path(link).symlink_to(tmp_path / "spaces/x.yaml")
    space = load_space(link)
    assert space.data.train == str(tmp_path / "spaces/b.csv")
    assert space.notes[0].endswith("b.csv is read, beside the file that the space links to")
    Path(link).with_name("b.csv").write_text("text,label\nx,y\n")
    assert load_space(link).notes == ()


def test_the_text_of_a_ledger_has_absolute_paths_and_keeps_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = load("../rows/a.csv", more="# mine\n").text_for_anywhere
    assert "# mine" in text
    monkeypatch.chdir("elsewhere")
    assert read_space(text).data.train == str(tmp_path / "rows/a.csv")


@pytest.mark.parametrize(
    "embedding",
    [
        "{file: {path: ../rows/glove.txt}}",
        "[random, {file: {path: ../rows/glove.txt}}]",
        "{choice: [random, {file: {path: ../rows/glove.txt}}]}",
    ],
)
def test_word_vectors_get_an_absolute_path_so_that_a_trial_is_the_same_wherever_it_runs(
    embedding: str, tmp_path: Path
) -> None:
    space = load("../rows/a.csv", more=f"space: {{embedding: {embedding}}}\n")
    assert str(tmp_path / "rows/glove.txt") in str(space.parameters["embedding"])
    assert str(tmp_path / "rows/glove.txt") in space.text


def test_a_fault_in_a_setting_keeps_its_line(tmp_path: Path) -> None:
    space = load("../rows/a.csv")
    assert space.document.place(("data", "train")).text == "spaces/x.yaml:2"
