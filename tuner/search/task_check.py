"""Check that the labels are of the kind that the task is for, and that no id or number stands in place of a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tuner.data.builtin import is_builtin
from tuner.data.columns.candidates import Candidate, input_columns, label_columns
from tuner.data.columns.facts import ColumnFacts, describe_columns
from tuner.data.columns.roles import FEWEST_ROWS, task_of
from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.formats.content import Reading
from tuner.data.labelled_rows import LabelledRows
from tuner.data.labels.forms import read_numbers
from tuner.data.labels.reader import INTO_CLASSES, NO_NUMBERS
from tuner.data.labels.separators import find_separator
from tuner.data.name_lists import number_of_rows
from tuner.data.scripts import lacks_spaces
from tuner.data.sequences import Sequences
from tuner.data.table_reader import read_table
from tuner.data.token_lists import are_token_lists
from tuner.errors import Fault
from tuner.space.assignment import set_option, set_options
from tuner.space.load import Space
from tuner.space.task import LABEL_FIELDS, Task
from tuner.space.task_options import options_for_task

_FEWEST_VALUES = 20  # rows, from which a column of different values is no accident
_MANY = 0.5  # labels per row: half of the labels have one row, or nearly
_NEARLY_ALL = 0.9
_COMMON = 0.1  # a value on so many rows is a label, even beside many rare ones
_MOST_NUMBERS = 30  # different fractions that may still be classes, such as ratings in halves
_MOST_CHOICES = 3  # columns that a message offers


@dataclass(frozen=True)
class _Doubt:
    """What is wrong with labels. `is_sure` if no task fits, so that nobody can insist."""

    where: str
    what: str
    remedy: str
    is_sure: bool = False


def check_labels(space: Space, sources: Mapping[str, LabelledRows], findings: Findings) -> list[Fault]:
    """Return a fault if the labels of all sources together are of another task than the space's, or are ids or numbers.

    If the task was given with --set, the person insists: then a note says so instead, and also if there are few rows. Notes
    also name texts and groups that are ids.
    """
    rows = sum(map(len, sources.values()))
    for note in (
        _group_note(space, sources),
        _text_note(space, sources[space.data.train]),
        _amounts_note(space, sources),
    ):
        if note is not None:
            findings.notes.append(f"{space.data.train}: {note}")
    doubt, fewest = _doubt_values(space, sources, rows), _FEWEST_VALUES
    if doubt is None and space.task == "multilabel":
        doubt, fewest = _doubt_task(space, sources, rows), FEWEST_ROWS
    if doubt is None:
        return []
    if rows >= fewest and (doubt.is_sure or not space.is_task_given):
        insist = "" if doubt.is_sure else f"; to insist: {set_option('task', space.task)}"
        return [Fault(doubt.where, doubt.what, f"{doubt.remedy}{insist}")]
    reason = (
        f"task {space.task} was given, so it stays" if space.is_task_given else "with so few rows, this may be chance"
    )
    findings.notes.append(f"{doubt.where}: {doubt.what}; {reason}; otherwise {doubt.remedy}")
    return []


# --- one label per row ----------------------------------------------------------------------------------------------------


def _doubt_task(space: Space, sources: Mapping[str, LabelledRows], rows: int) -> _Doubt | None:
    """Return the doubt that a task with several labels per row is meant, if no row has several and none is without."""
    column, columns = space.data.labels, space.data.label_columns
    if columns is not None and len(columns) == 1:
        what = f"the only label is 0 or 1 ({number_of_rows(rows)}), so this is task binary, not multilabel"
        return _Doubt(_place(space, columns[0]), what, f"use {_paste(space, 'binary', label=columns[0])}")
    if not _has_one_each(sources):
        return None
    names = list(sum((each.count_names() for each in sources.values()), Counter()))
    if len(names) < 2:
        return None
    task: Task = "binary" if len(names) == 2 else "multiclass"
    counted = f"{number_of_rows(rows)}, {len(names):,} labels"
    what = f"every row has exactly one label ({counted}), so this is task {task}, not multilabel"
    if columns is not None:
        return _Doubt(f"{space.data.train}: label_columns", what, f"use {_paste(space, task)}")
    assert column is not None
    remedy = f"use {_paste(space, task, label=column)}"
    form = sources[space.data.train].form
    if form is not None and form.kind == "names" and space.data.label_separator is None:
        _, likely = find_separator(names)
        if likely is not None:
            remedy += f"; if a text means several labels: {set_option('data.label_separator', likely)}"
    return _Doubt(_place(space, column), what, remedy)


def _has_one_each(sources: Mapping[str, LabelledRows]) -> bool:
    """Return whether every row has exactly one label."""
    return all((np.bincount(each.owners, minlength=len(each)) == 1).all() for each in sources.values())


def _place(space: Space, column: str) -> str:
    return f"{space.data.train}: column {column!r}"


def _paste(space: Space, task: Task, **data: Any) -> str:
    """Return the settings that read other labels, or the same ones for another task, ready to paste.

    Settings of the space that do not go with them are replaced too.
    """
    settings: dict[str, Any] = {} if task == space.task else {"task": task}
    if data:
        given = {name: None for name in LABEL_FIELDS if getattr(space.data, name) is not None and name not in data}
        if "label" in data and space.data.label_separator is not None:
            given["label_separator"] = None
        settings |= {f"data.{name}": value for name, value in {**given, **data}.items()}
    if space.data.positive is not None:
        settings["data.positive"] = None
    written = space.document.tree["space"]
    changed = {} if task == space.task else options_for_task(written, task, space.inputs)
    settings |= {f"space.{name}": value for name, value in changed.items()}
    return " ".join(set_option(key, value) for key, value in settings.items())


# --- ids and numbers ------------------------------------------------------------------------------------------------------


def _doubt_values(space: Space, sources: Mapping[str, LabelledRows], rows: int) -> _Doubt | None:
    """Return the doubt that the column holds labels at all: it has a value for nearly each row, or holds many fractions."""
    column = space.data.label or space.data.labels
    if column is None:
        return None
    counts = sum((each.count_names() for each in sources.values()), Counter())
    share = len(counts) / max(sum(counts.values()), 1)
    numbers = read_numbers(pa.chunked_array([pa.array(counts, pa.string())]))
    are_numbers = bool(np.isfinite(numbers).all())
    are_fractions = are_numbers and bool((np.mod(numbers, 1) != 0).any())
    is_many = share > (_MANY if space.data.labels is None or _has_one_each(sources) else _NEARLY_ALL)
    is_many &= max(counts.values(), default=0) < _COMMON * rows
    if len(counts) < 2 or not (is_many or (are_fractions and len(counts) > _MOST_NUMBERS)):
        return None
    what = f"it has {len(counts):,} different values in {number_of_rows(rows)}"
    if are_fractions:
        what += f", and they are numbers: {NO_NUMBERS}"
        remedy = f"{INTO_CLASSES}, or "
    else:
        words = float(np.median([len(name.split()) for name in counts]))
        what += ", so hardly any of them repeats"
        is_what = f"is this an id, or a number? {NO_NUMBERS.capitalize()};" if are_numbers else "is this an id? Then"
        remedy = "are these texts? Then " if words > 2 else f"{is_what} "
    remedy += _say_choices("name a column of few values that repeat", _label_choices(space), "data.label")
    return _Doubt(_place(space, column), what, remedy, is_sure=share >= _NEARLY_ALL)


def _amounts_note(space: Space, sources: Mapping[str, LabelledRows]) -> str | None:
    """Say so if the labels are many whole numbers that repeat, such as ages. They may be codes of classes all the same."""
    counts = sum((each.count_names() for each in sources.values()), Counter[str]())
    names = list(counts)
    if len(names) <= _MOST_NUMBERS or len(names) > _MANY * sum(counts.values()):
        return None
    if space.data.label is None or not all(name.isdecimal() and (name == "0" or name[0] != "0") for name in names):
        return None
    what = f"column {space.data.label!r} has {len(names):,} different whole numbers, and each is a class of its own"
    return f"{what}; if they are amounts, such as ages: {NO_NUMBERS}; {INTO_CLASSES}"


def _say_choices(what: str, choices: Sequence[str], setting: str) -> str:
    return f"{what}: {' or '.join(choices) or set_option(setting, 'COLUMN')}"


def _label_choices(space: Space) -> list[str]:
    """Return the settings for other columns of train that may be the labels, the best first."""

    def paste(candidate: Candidate, table: pa.Table) -> str:
        return _paste(space, task_of(candidate, table), **{candidate.setting: candidate.value})

    return _choices(space, lambda columns: label_columns(columns, None), paste)


def _choices(
    space: Space,
    find: Callable[[Sequence[ColumnFacts]], list[Candidate]],
    paste: Callable[[Candidate, pa.Table], str],
) -> list[str]:
    """Return the settings for the best of the columns that a space does not use. A table with a row per step has other rules."""
    if space.data.sequence_id is not None:
        return []
    table = read_table(space.data.train, reading=Reading(space.data.text_format, "data.", "data.train"))
    used = Columns.of(space.data).names
    others = [each for each in describe_columns(table) if each.name not in used]
    best = sorted(find(others), key=lambda candidate: candidate.rank)[:_MOST_CHOICES]
    return [paste(each, table) for each in best]


# --- texts and groups -----------------------------------------------------------------------------------------------------


def _text_note(space: Space, train: LabelledRows) -> str | None:
    """Say so if nearly every text is a single word that no other row has."""
    texts = train.inputs
    if isinstance(texts, Sequences) or len(texts) < _FEWEST_VALUES or are_token_lists(texts):
        return None
    words = {text.strip().lower() for text in texts if len(text.split()) == 1}
    if len(words) < _NEARLY_ALL * len(texts) or lacks_spaces(texts):
        return None
    what = f"nearly every text in column {space.data.text!r} is a single word that no other row has: is this an id?"
    choices = _choices(
        space,
        lambda columns: [each for each in input_columns(columns) if each.setting == "text"],
        lambda candidate, _: candidate.option,
    )
    return f"{what} {_say_choices('If so, name the column of texts', choices, 'data.text')}"


def _group_note(space: Space, sources: Mapping[str, LabelledRows]) -> str | None:
    """Say so if every row has a group of its own. The groups of built-in sets are nobody's mistake."""
    if is_builtin(space.data.train):
        return None
    groups = [group for rows in sources.values() for group in rows.groups if group is not None]
    if len(groups) < _FEWEST_VALUES or len(set(groups)) < len(groups):
        return None
    what = f"every row has its own value in the group column {space.data.group!r}, so it keeps no rows together"
    return f"{what}; if it is an id: {set_options(group=None)}"
