"""Find the columns of a table that hold the inputs, the labels and the splits, if only one reading is sensible."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.columns.candidates import Candidate, input_columns, label_columns, split_columns
from tuner.data.columns.facts import ColumnFacts, describe_columns
from tuner.data.columns.names import LITERAL, LITERAL_LABELS, ORDER, USUAL, is_group, is_like, rank_of
from tuner.data.labels.cells import read_zero_one
from tuner.data.name_lists import list_names
from tuner.data.series.step_rows import NUMBERS, STEPS, StepRows, find_step_rows, is_called_series
from tuner.data.text_values import as_text, is_text
from tuner.errors import DataError, Fault, data_error
from tuner.space.assignment import set_option
from tuner.space.task import LABEL_FIELDS, Task

_INPUT_FIELDS = ("text", "sequence")
_MOST_COLUMNS = 10  # that a message explains
FEWEST_ROWS = 50
"""Rows that settle the task. If none of 50 rows has several labels, at most 6 % of all rows do (95 % sure), so a model of one
label per row is nearly right. With fewer rows it may be chance, and is noted."""
_ALL_DIFFERENT = 0.9  # with this share of distinct values, no value counts as repeated
_KINDS = {
    "text": "texts",
    "number": "whole numbers",
    "fraction": "fractions",
    "date": "dates",
    "address": "addresses",
    "sequence": "lists of numbers",
    "words": "lists of words",
    "nested": "lists of lists",
    "other": "values of another kind",
}


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The columns found, as settings of the data section, and the task that the labels need.

    `sentence` says which columns are used, `notes` what else was possible. `unused` are the other columns.
    """

    settings: Mapping[str, Any]
    task: Task
    sentence: str
    unused: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Settled:
    """One decision: the candidate to use, if there is one, a note on the others, and the fault if several fit equally."""

    used: Candidate | None
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.used is None else self.used.columns


def find_roles(table: pa.Table, source: str, given: Mapping[str, Any], task: Task | None) -> Roles:
    """Find the columns that the settings `given` of the data section do not name, and the task if it is None.

    The given columns exist in the table. Raises DataError if no column fits, or if several fit equally well; the message
    lists them.
    """
    columns = described = describe_columns(table)
    are_files_given = any(isinstance(given.get(name), str) for name in ("validation", "test"))
    splits = _settle(("split_column",), given, [] if are_files_given else split_columns(columns), source)
    columns = [each for each in columns if each.name not in splits.columns]
    columns = [each for each in columns if not _is_named(each.name, given)]
    inputs, steps = _find_inputs(table, columns, described, given, source)
    columns = [each for each in columns if each.name not in inputs.columns]
    labelled = [each for each in columns if steps is None or each.name in steps.constant]
    candidates = _without_equal(table, label_columns(labelled, task)) or _one_hot_columns(table, labelled)
    labels = _settle(LABEL_FIELDS, given, candidates, source)
    settled = (inputs, labels, splits)
    faults = [fault for each in settled for fault in each.faults]
    if inputs.used is None and not inputs.faults:
        faults.append(_no_input(source, columns))
    if labels.used is None and not labels.faults:
        faults.append(_no_labels(source, table, columns, task))
    if labels.used is not None:
        faults += _unusable_labels(source, columns, labels.used)
    if faults or labels.used is None:
        raise DataError(faults)
    unused = [each for each in columns if each.name not in labels.columns]
    found = task or task_of(labels.used, table)
    used = [_as_read(each.used, found) for each in settled if each.used is not None]
    notes = [note for each in settled for note in each.notes]
    notes += [*_header_notes(described, labels.columns), *_one_hot_notes(table, labels.used, found)]
    return Roles(
        settings={
            **{each.setting: each.value for each in used if each.setting not in given},
            **({} if steps is None else {name: value for name, value in steps.settings.items() if name not in given}),
        },
        task=found,
        sentence="; ".join(each.shown for each in used),
        unused=tuple(each.name for each in unused),
        notes=(*notes, *map(_group_note, filter(_may_be_group, unused))),
    )


def _find_inputs(
    table: pa.Table,
    columns: Sequence[ColumnFacts],
    described: Sequence[ColumnFacts],
    given: Mapping[str, Any],
    source: str,
) -> tuple[_Settled, StepRows | None]:
    """Choose the columns of the inputs. If each row is a step of a series, return that reading too.

    Raises DataError if it may be one or not, as what can be a label depends on it.
    """
    candidates = input_columns(columns)
    is_long = given.get("sequence_id") is not None
    if given.get("sequence") is not None:
        may_be_long = any(each.name == given["sequence"] and each.kind in NUMBERS for each in described)
    else:
        may_be_long = given.get("text") is None and (is_long or all(len(each.columns) > 1 for each in candidates))
    readings = find_step_rows(table, described, given) if may_be_long else []
    if not readings:
        return _settle(_INPUT_FIELDS, given, candidates, source), None
    others = [] if is_long or given.get("sequence") is not None else candidates
    if len(readings) + len(others) > 1:
        ways = [(each.shown, each.option) for each in readings] + [(each.shown, each.option) for each in others]
        what = f"its rows can be read in several ways: {'; '.join(shown for shown, _ in ways)}"
        raise data_error(source, what, f"choose one: {' or '.join(option for _, option in ways)}")
    (steps,) = readings
    used = Candidate(
        setting="sequence", value=steps.settings["sequence"], columns=steps.columns, rank=USUAL, shown=steps.shown
    )
    return _Settled(used), steps


def _settle(fields: Sequence[str], given: Mapping[str, Any], candidates: Sequence[Candidate], source: str) -> _Settled:
    """Choose what `given` names, or the only candidate of the best rank."""
    for name in fields:
        if given.get(name) is not None:
            value = given[name]
            columns = tuple(map(str, _as_list(value)))
            return _Settled(
                Candidate(setting=name, value=value, columns=columns, rank=0, shown=f"{name} {_shown(value)}")
            )
    candidates = [each for each in candidates if each.setting not in given]  # null: not this
    best = [each for each in candidates if each.rank == min(other.rank for other in candidates)]
    if len(best) > 1:
        what = f"several columns may be the {fields[0]}: {'; '.join(each.shown for each in best)}"
        remedy = f"choose one: {' or '.join(each.option for each in best)}"
        return _Settled(None, faults=(Fault(source, what, remedy),))
    others = [each.option for each in candidates if each not in best]
    notes = (f"{best[0].shown} is used; also possible: {list_names(others)}",) if others else ()
    return _Settled(best[0] if best else None, notes)


def _without_equal(table: pa.Table, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out columns that say the same as another in other words, such as 0 and 1 beside ham and spam."""
    kept: list[Candidate] = []
    for each in sorted(candidates, key=lambda candidate: candidate.rank):
        if each.setting != "label" or not any(_say_the_same(table, other, each) for other in kept):
            kept.append(each)
    return kept


def _say_the_same(table: pa.Table, first: Candidate, second: Candidate) -> bool:
    if first.setting != "label":
        return False
    texts = [as_text(table.column(each.value)) for each in (first, second)]
    if any(each is None for each in texts):  # lists
        return False
    pair = pa.table(texts, names=["a", "b"])
    n_first, n_second = (pc.count_distinct(pair.column(name), mode="all").as_py() for name in pair.column_names)
    return bool(n_first == n_second == pair.group_by(["a", "b"]).aggregate([]).num_rows)


def task_of(labels: Candidate, table: pa.Table) -> Task:
    """Return the task that the labels of a column, or of several, are for."""
    if labels.setting == "label_columns" and table.num_rows >= FEWEST_ROWS and _is_one_hot(table, labels.columns):
        return "binary" if len(labels.columns) == 2 else "multiclass"
    if labels.setting != "label":
        return "multilabel"
    facts = describe_columns(table.select(labels.columns))[0]
    return "binary" if facts.labels == 2 else "multiclass"


def _no_input(source: str, columns: Sequence[ColumnFacts]) -> Fault:
    what = "no column looks like the input: texts of several words, mostly different, or lists of numbers"
    remedy = f"name it with --set data.text=COLUMN or --set data.sequence=COLUMN; {_say_steps(columns)}"
    if 2 * sum(_is_number(each.name) for each in columns) > len(columns):
        remedy = f"if the first line of the file is a row, put a line with names above it, such as t1, t2, …; {remedy}"
    if nested := [repr(each.name) for each in columns if each.kind == "nested"]:
        remedy = f"if {list_names(nested)} holds tokens, join the lists of each row to one list; else {remedy}"
    return Fault(source, f"{what} ({_explain(columns)})", remedy)


def _is_number(name: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e[-+]?\d+)?", name) is not None


def _say_steps(columns: Sequence[ColumnFacts]) -> str:
    """Return how to name the columns of a table with a row for each step. Columns that are called so are filled in."""
    orders = [each.name for each in columns if rank_of(each.name, frozenset(), ORDER) <= USUAL]
    values = [each.name for each in columns if each.kind == "fraction" and each.name not in orders]
    series = [
        each.name
        for each in columns
        if each.kind in ("text", "number") and each.filled >= STEPS * each.distinct > 0 and is_called_series(each.name)
    ]
    parts = {"sequence_id": series, "order": orders, "sequence": values}
    names = {part: found[0] if len(found) == 1 else "COLUMN" for part, found in parts.items()}
    options = " ".join(set_option(f"data.{part}", name) for part, name in names.items())
    return f"if each row is one step of a series: {options}"


def _no_labels(source: str, table: pa.Table, columns: Sequence[ColumnFacts], task: Task | None) -> Fault:
    if table.num_columns == 1:
        what = f"there is only one column, {table.column_names[0]!r}, but labels need another"
        is_one_text = is_text(table.column(0).type)
        return Fault(
            source, what, f"{'separate the columns with commas, or ' * is_one_text}name a file that has labels"
        )
    others = label_columns(columns, None)
    if task is not None and others:
        what = f"no column has labels for task {task}, but: {'; '.join(each.shown for each in others)}"
        return Fault(source, what, f"leave out {set_option('task', task)}, or name the column of labels")
    what = f"no column looks like labels: few values that repeat ({_explain(columns)})"
    remedy = "name it with --set data.label=COLUMN (one label per row) or --set data.labels=COLUMN (several)"
    return Fault(source, what, remedy)


def _unusable_labels(source: str, columns: Sequence[ColumnFacts], used: Candidate) -> list[Fault]:
    """Refuse a column that is called label but cannot be one, rather than use another in its place."""
    if used.rank == LITERAL:
        return []
    fitting = {name for each in label_columns(columns, None) for name in each.columns}
    others = [each for each in columns if each.name not in fitting]
    called = [each for each in others if rank_of(each.name, LITERAL_LABELS, frozenset()) == LITERAL]
    what = f"{_explain(called)}, which cannot be labels here"
    return [Fault(source, what, f"correct it, or use another column: {used.option}")] if called else []


def _explain(columns: Sequence[ColumnFacts]) -> str:
    shown = [
        f"{each.name!r} has at most one value"
        if each.kind == "constant"
        else f"{each.name!r} has {f'{each.distinct:,} different ' if each.distinct else ''}{_KINDS[each.kind]}"
        for each in columns
    ]
    return list_names(shown, most=_MOST_COLUMNS) or "there is no other column"


def _header_notes(columns: Sequence[ColumnFacts], labels: Sequence[str]) -> list[str]:
    """Note names of columns that look like labels of the first row. Numbered columns had no names to begin with."""
    if {each.name for each in columns} <= set(map(str, range(len(columns)))):
        return []
    what = "is also one of its values; if the first line of the file is a row, put a line with names above it"
    return [
        f"the name of column {each.name!r} {what}"
        for each in columns
        if each.name in labels and each.name in each.values
    ]


def _is_one_hot(table: pa.Table, columns: Sequence[str]) -> bool:
    """Return whether each row has 1 in exactly one of several columns of 0 and 1."""
    ones = sum(read_zero_one(table.column(name), has_words=True)[0].astype(int) for name in columns)
    return len(columns) > 1 and bool(np.all(ones == 1))


def _one_hot_columns(table: pa.Table, columns: Sequence[ColumnFacts]) -> list[Candidate]:
    """Return the columns of 0 and 1 that give each row one label, for tasks with one label per row."""
    together = [each for each in label_columns(columns, None) if each.setting == "label_columns"]
    return [each for each in together if _is_one_hot(table, each.columns)]


def _as_read(used: Candidate, task: Task) -> Candidate:
    if used.setting != "label_columns" or task == "multilabel":
        return used
    return replace(used, shown=used.shown.replace("several per row", "one per row"))


def _one_hot_notes(table: pa.Table, labels: Candidate, task: Task) -> list[str]:
    """Note columns of 0 and 1 that are read as one label per row, with the setting for several."""
    if task == "multilabel" or labels.setting != "label_columns" or not _is_one_hot(table, labels.columns):
        return []
    what = f"each row has exactly one of these labels, so the task is {task}"
    return [f"{what}; if a row may have several: {set_option('task', 'multilabel')}"]


def _may_be_group(facts: ColumnFacts) -> bool:
    return is_group(facts.name) and 1 < facts.distinct < _ALL_DIFFERENT * facts.filled


def _group_note(facts: ColumnFacts) -> str:
    option = set_option("data.group", facts.name)
    return f"rows with the same {facts.name!r} may depend on each other; {option} keeps them in one split"


def _is_named(column: str, given: Mapping[str, Any]) -> bool:
    """Return whether a given setting names the column. A sequence may be given as a pattern of columns, such as t*."""
    named = [str(name) for value in given.values() for name in _as_list(value)]
    return column in named or any(is_like(column, str(name)) for name in _as_list(given.get("sequence")))


def _shown(value: Any) -> str:
    return list_names([repr(name) for name in _as_list(value)])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
