"""Before a search, a note says if it cuts off much of many texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders.datasets import make_dataset
from builders.spaces import write
from tuner.data.dataset import Dataset
from tuner.search.lengths import length_notes
from tuner.space.load import Space, load_space

SPACE = "task: binary\ndata: {train: x.parquet, label: label}\nsearch: {trials: 2}\nspace:\n"


def long(share: float, *, words: int = 200) -> Dataset:
    """A data set in which this share of the training texts has so many words."""
    made = make_dataset("binary", rows=100)
    rows = round(share * 100)
    return replace(made, train=replace(made.train, inputs=(*["word " * words] * rows, *made.train.inputs[rows:])))


def space(folder: Path, lines: str = "  hidden: 8\n") -> Space:
    return load_space(write(folder, SPACE + lines))


def test_a_note_names_the_share_the_length_and_the_end_that_is_cut(tmp_path: Path) -> None:
    assert length_notes(space(tmp_path), long(0.3)) == [
        "30 % of the training texts lose more than half of their words at space.max_length 64; the end is cut off "
        "(space.truncation: end); to read more, --set space.max_length=100; if the end tells the label, "
        "--set space.truncation=start"
    ]


def test_every_length_of_a_choice_and_both_ends_of_a_range_are_named(tmp_path: Path) -> None:
    (note,) = length_notes(space(tmp_path, "  max_length: [32, 64, 16]\n"), long(0.3))
    assert "at space.max_length 64 (30 % at 16, 30 % at 32)" in note
    (note,) = length_notes(space(tmp_path, "  max_length: {low: 16, high: 64}\n"), long(0.3))
    assert "at space.max_length 64 (30 % at 16)" in note


@pytest.mark.parametrize(("share", "words", "lines"), [
    (0.1, 200, "  hidden: 8\n"),
    (0.9, 128, "  hidden: 8\n"),
    (0.9, 200, "  max_length: [64, 100]\n"),
])  # fmt: skip
def test_few_or_hardly_cut_texts_get_no_note(tmp_path: Path, share: float, words: int, lines: str) -> None:
    assert length_notes(space(tmp_path, lines), long(share, words=words)) == []


def test_the_proposed_length_silences_the_note(tmp_path: Path) -> None:
    proposed = space(tmp_path, "  max_length: 100\n")
    assert length_notes(proposed, long(0.3)) == []


def test_characters_are_counted_where_they_are_read_and_the_beginning_may_be_cut(tmp_path: Path) -> None:
    (note,) = length_notes(space(tmp_path, "  tokens: character\n  truncation: start\n"), long(0.3, words=60))
    assert note.startswith(
        "30 % of the training texts lose more than half of their characters at space.max_length 64; the "
    )
    assert "the beginning is cut off (space.truncation: start); to read more, --set space.max_length=150" in note
    assert not note.endswith("start")
