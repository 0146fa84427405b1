"""A space is fitted to its rows: impossible choices are left out, and scripts without spaces are read by character."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.datasets import make_dataset
from builders.spaces import write
from tuner.data.dataset import Dataset
from tuner.data.prepared_settings import options_of
from tuner.data.token_lists import join_tokens
from tuner.errors import SpaceError
from tuner.search.adaptation import adapt, apply
from tuner.space.domains import OptionChoice
from tuner.space.load import Space, load_space, read_space

CHINESE = "这个手机屏幕很好我很喜欢"
OWN = """\
task: binary
data: {train: x.parquet, label: label, text: words}
search: {trials: 2}
space:
"""  # lines 1 to 4
SHIPPED = ("data.train=x.parquet", "data.group=null")


def texts(*, unspaced: float = 0.0, length: int = 1) -> Dataset:
    """A data set with this share of rows in Chinese, each a number of sentences long."""
    made = make_dataset("binary")

    def write_in_chinese(split: Any) -> Any:
        first = round(unspaced * len(split))
        return replace(split, inputs=(*[CHINESE * length] * first, *split.inputs[first:]))

    return replace(made, **{name: write_in_chinese(split) for name, split in made.splits.items()})


def tokens() -> Dataset:
    made = make_dataset("binary")
    lists = {
        name: replace(split, inputs=tuple(join_tokens(text.split()) for text in split.inputs))
        for name, split in made.splits.items()
    }
    return replace(made, **lists)


def adapted(space: Space, dataset: Dataset) -> tuple[Space, list[str]]:
    changes = adapt(space, dataset)
    return apply(space, changes), [change.note for change in changes]


def own(folder: Path, lines: str = "  hidden: 8") -> Space:
    return load_space(write(folder, OWN + lines))


def names(space: Space, parameter: str = "tokens") -> list[str]:
    return [name for name, _ in options_of(space.parameters[parameter])]


# --- stems ----------------------------------------------------------------------------------------------------------


VECTORS = "space.embedding={file: {path: glove.txt}}"


def test_a_shipped_space_reads_words_as_they_are_written_if_a_file_has_the_vectors() -> None:
    space, notes = adapted(load_space("binary", [*SHIPPED, VECTORS]), texts())
    assert [each for each in notes if "stem" in each] == [
        "space.tokens.word.forms is as_written, because a file of vectors has words, and few stems; for both, "
        "--set 'space.tokens.word.forms=[as_written, stem]'"
    ]
    assert dict(options_of(space.parameters["tokens"]))["word"]["forms"] == OptionChoice((("as_written", {}),))
    assert [first.get("tokens.word.forms") for first in space.first] == [None, "as_written"]


@pytest.mark.parametrize("override", ["space.hidden=64", "space.tokens.word.forms=stem"])
def test_stems_stay_without_such_a_file_or_if_a_person_asks_for_them(override: str) -> None:
    overrides = [*SHIPPED, override, *([VECTORS] if "stem" in override else [])]
    _, notes = adapted(load_space("binary", overrides), texts())
    assert not any("stem" in each for each in notes)


# --- scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["binary", "quick", "collapse"])
def test_a_shipped_space_reads_characters_and_pieces_where_most_texts_have_no_spaces(name: str) -> None:
    space, notes = adapted(load_space(name, SHIPPED), texts(unspaced=0.9, length=8))
    assert names(space) == ["character", "bpe"]
    assert notes[0].startswith("90 % of the training texts are in a script without spaces (Han), where a word is")
    assert notes[0].endswith("and space.max_length=96; for words, --set space.tokens=word")
    assert read_space(space.text).parameters == space.parameters


def test_pieces_that_a_shipped_space_names_stay() -> None:
    assert names(adapted(load_space("thorough", SHIPPED), texts(unspaced=1.0))[0]) == ["character", "bpe", "wordpiece"]


def test_long_texts_are_read_up_to_512_characters() -> None:
    assert "space.max_length=512" in adapted(load_space("binary", SHIPPED), texts(unspaced=1.0, length=90))[1][0]


def test_what_a_person_sets_is_kept() -> None:
    chosen = load_space("binary", (*SHIPPED, "space.tokens=word"))
    space, notes = adapted(chosen, texts(unspaced=1.0, length=8))
    assert names(space) == ["word"]
    assert notes[0].endswith("to read characters, --set space.tokens=character --set space.max_length=96")
    length = load_space("binary", (*SHIPPED, "space.max_length=40"))
    assert "max_length" not in adapted(length, texts(unspaced=1.0, length=8))[1][0]


def test_a_space_of_the_persons_own_gets_the_setting_and_no_change(tmp_path: Path) -> None:
    space, notes = adapted(own(tmp_path), texts(unspaced=1.0, length=8))
    assert names(space) == ["word"]
    assert notes[0].endswith("to read characters, --set space.tokens=character --set space.max_length=96")
    assert adapted(own(tmp_path, "  tokens: [word, character]"), texts(unspaced=1.0))[1] == []


def test_the_setting_also_replaces_vectors_that_are_for_words(tmp_path: Path) -> None:
    space = own(tmp_path, "  embedding: {file: {path: v.txt}}")
    assert adapted(space, texts(unspaced=1.0))[1][0].endswith("--set space.embedding=random")
    assert load_space(space.source, ["space.tokens=character", "space.embedding=random"])


def test_some_rows_without_spaces_get_a_note_only() -> None:
    space, notes = adapted(load_space("binary", SHIPPED), texts(unspaced=0.125))
    assert names(space) == ["word"]
    assert notes[0].endswith("to read pieces of words too, --set 'space.tokens=[word, bpe]'")
    assert adapted(load_space("binary", SHIPPED), texts())[1] == []


def test_an_adapted_space_needs_no_change_when_a_run_is_resumed() -> None:
    dataset = texts(unspaced=1.0, length=8)
    space, _ = adapted(load_space("binary", SHIPPED), dataset)
    assert adapt(read_space(space.text), dataset) == []


# --- lists of tokens ------------------------------------------------------------------------------------------------


def test_lists_of_tokens_leave_out_what_would_split_or_change_them(tmp_path: Path) -> None:
    lines = "  tokens: [character, {word: {lower_case: [true, false], forms: stem, min_count: 3}}, bpe]"
    space, notes = adapted(own(tmp_path, lines), tokens())
    assert names(space) == ["word"]
    assert space.text.endswith("space:\n  tokens:\n    word:\n      min_count: 3\n")
    assert notes == [
        "space.tokens: character, bpe, lower_case, forms are left out, because the rows of column 'words' are lists of "
        "tokens, which stay as they are"
    ]


@pytest.mark.parametrize("lines", ["  hidden: 8", "  tokens: word", "  tokens: {word: {min_count: [1, 2]}}"])
def test_lists_of_tokens_need_no_change_where_words_are_as_written(tmp_path: Path, lines: str) -> None:
    assert adapt(own(tmp_path, lines), tokens()) == []


def test_lists_of_tokens_cannot_be_read_by_character(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"x\.yaml:5: space\.tokens: character and bpe cannot work, because the rows of"
    ):
        adapt(own(tmp_path, "  tokens: [character, bpe]"), tokens())


# --- resampling -----------------------------------------------------------------------------------------------------


def few(folds: int = 0) -> Dataset:
    """A data set with five training rows of "yes"."""
    made = make_dataset("binary", folds=folds)
    targets = np.where(np.arange(len(made.train)) % 19 == 0, 1, 0)[: len(made.train)]
    targets[np.flatnonzero(targets)[5:]] = 0
    return replace(made, train=replace(made.train, targets=targets))


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("[none, {smote: {neighbours: 5}}, oversample]", "space.resampling.smote.neighbours"),
        ("[none, {smote: {neighbours: {low: 2, high: 9}}}, oversample]", "space.resampling.smote.neighbours"),
        ("{choice: [none, smote, oversample]}", "space.resampling.choice.smote.neighbours"),
    ],
)
def test_a_choice_that_cannot_work_is_left_out_with_the_setting_that_would(
    tmp_path: Path, written: str, key: str
) -> None:
    given = own(tmp_path, f"  resampling: {written}")
    space, (note,) = adapted(given, few())
    assert names(space, "resampling") == ["none", "oversample"]
    assert note.startswith(
        "space.resampling: smote is left out, because 'yes' has 5 training rows, but smote with neigh"
    )
    assert note.endswith(f"; to search it too, --set {key}=4")
    assert adapt(load_space(given.source, [f"{key}=4"]), few()) == []


def test_with_folds_each_fold_is_left_out_in_turn(tmp_path: Path) -> None:
    space = own(tmp_path, "  resampling: [none, {smote: {neighbours: 4}}]")
    assert adapt(space, few()) == []
    ((_, note),) = [(change.assignments, change.note) for change in adapt(space, few(folds=3))]
    assert ", with one fold left out; to search it too" in note


def test_a_fixed_choice_that_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"x\.yaml:5: space\.resampling\.smote: 'yes' has 5 training rows"):
        adapt(own(tmp_path, "  resampling: smote"), few())


def test_labels_that_do_not_exist_stay_a_fault_beside_choices_that_are_left_out(tmp_path: Path) -> None:
    lines = "  resampling: [none, smote]\n  loss_weights: [none, {explicit: {maybe: 2}}]"
    with pytest.raises(SpaceError, match="'maybe' is not a label of the data"):
        adapt(own(tmp_path, lines), few())
