"""Notes about rows that two splits share. The rows stay, but scores on them may be too high."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.data.labelled_rows import LabelledRows
from tuner.data.name_lists import list_names
from tuner.data.sequences import Sequences
from tuner.data.stratification import row_keys


def input_word(rows: LabelledRows) -> str:
    """Return the word for one row's input: "text" or "sequence"."""
    return "sequence" if isinstance(rows.inputs, Sequences) else "text"


def overlap_notes(name: str, splits: Mapping[str, LabelledRows]) -> list[str]:
    """Count the rows of a split that repeat an input of train or a group of an earlier split, and name the groups."""
    train, judged = splits["train"], splits[name]
    keys = set(row_keys(train.inputs))
    notes = []
    if repeats := sum(key in keys for key in row_keys(judged.inputs)):
        notes.append(_note(judged, repeats, input_word(train), name=name, earlier="train"))
    for earlier in ("train", "validation") if name == "test" else ("train",):
        shared = {group for group in {*splits[earlier].groups} & {*judged.groups} if group is not None}
        is_same = earlier == "validation" and splits[earlier] is train  # with folds
        if shared and not is_same:
            repeats = sum(group in shared for group in judged.groups)
            groups = list_names([repr(group) for group in sorted(shared)])
            notes.append(f"{_note(judged, repeats, 'group', name=name, earlier=earlier)} (groups {groups})")
    return notes


def _note(rows: LabelledRows, repeats: int, what: str, *, name: str, earlier: str) -> str:
    repeated = f"{repeats:,} of {len(rows):,} rows of {name} have the {what} of a row in {earlier}"
    return f"{rows.source}: {repeated}, so scores on {name} may be too high"
