"""Put one's own rows into a space: find their columns, settle the task, and replace the space's data section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.columns.names import is_like
from tuner.data.columns.roles import Roles, find_roles
from tuner.data.formats.content import Reading
from tuner.data.name_lists import list_names, number_of_rows
from tuner.data.samples import spread_positions
from tuner.data.scripts import lacks_spaces
from tuner.data.table_reader import read_table
from tuner.data.text_values import is_text
from tuner.data.token_column import find_written_lists, holds_tokens, read_token_lists, read_written_tokens
from tuner.data.token_lists import as_plain_text
from tuner.errors import Fault, SpaceError
from tuner.search.lengths import count_tokens
from tuner.space.assignment import assignment, key_of, set_option, yaml_value
from tuner.space.document import Document, parse_document, read_document
from tuner.space.load import SHIPPED, TASKS, find_space, shipped_spaces
from tuner.space.overrides import override
from tuner.space.task import LABEL_FIELDS, Inputs, Task
from tuner.space.task_options import options_for_task
from tuner.space.text_format import Quoting, TextFormat, encoding_fault, read_separator, separator_fault

SPACES_OF_TASKS = (*get_args(Task), "sequence")
"""The shipped spaces for one task, or for sequences. With one's own rows, the labels and the inputs choose among them."""
LONG = 95
"""The share of the texts, in per cent, that max_length should not cut."""

_REASONS: Mapping[Task, str] = {
    "binary": "one label per row, of two",
    "multiclass": "one label per row, of several",
    "multilabel": "several labels per row",
}
_COLUMN_FIELDS = ("text", *LABEL_FIELDS, "group", "split_column")
_SEQUENCE_FIELDS = ("sequence", "sequence_id", "order")  # may also be patterns of columns
_MOST_UNUSED = 12  # columns that are named
_MOST_TOKENS = 512  # longer texts are cut unless the person asks, because training takes too long
_SAMPLE = 10_000  # texts that are enough to measure lengths


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """A file of rows, read, and how it goes into a space.

    `settings` are those of the data section. `changes` are settings of the space's other sections, by their dotted keys.
    """

    file: str
    table: pa.Table
    roles: Roles
    settings: Mapping[str, Any]
    changes: Mapping[str, Any]
    space: str

    @property
    def n_rows(self) -> int:
        """The number of rows, or of series if a series has a row for each step."""
        series = self.settings.get("sequence_id")
        return self.table.num_rows if series is None else int(pc.count_distinct(self.table.column(series)).as_py())

    @property
    def assignments(self) -> tuple[str, ...]:
        """The overrides that put the rows into the space, as `load_space` takes them."""
        return assignment("data", self.settings), *(assignment(key, value) for key, value in self.changes.items())


def read_own_data(file: str, space: str | None, overrides: Sequence[str], say: Callable[[str], None]) -> OwnData:
    """Find out how a file of rows goes into a space; None means the shipped space for its labels and inputs.

    Say which columns and which task are used. What `overrides` set is not guessed. Raises SpaceError or DataError if
    something cannot be settled; the message lists what to choose from.
    """
    path, is_shipped = (None, True) if space is None else find_space(space)
    given, task = _given(overrides)
    file = str(given.get("train") or file)  # messages about files propose --set data.train=…
    reading = Reading(_text_format(given), "data.", "data.train")  # silent: the rows are read again, with notes
    table = read_table(file, say=say, reading=reading)
    if path is not None and not is_shipped:
        given = {**_named_columns(read_document(path), table), **given}
    _check_given(file, given, table, reading)
    roles = find_roles(table, file, given, task)
    columns = {name: given[name] for name in (*_COLUMN_FIELDS, *_SEQUENCE_FIELDS) if given.get(name) is not None}
    settings = {"train": file, **columns, **roles.settings}
    _say_roles(file, table, roles, say)
    inputs: Inputs = "sequence" if "sequence" in settings else "text"
    if space is None or is_shipped:
        space, document, changes = _fit_shipped_space(space, roles.task, inputs, say)
        changes |= _max_length(document, _some_texts(table, settings.get("text")), overrides, say)
    else:
        document, changes = read_document(find_space(space)[0]), {}
        _check_task(file, space, document, roles.task, task)
    old = document.tree.get("data")
    settings |= _kept_settings(old if isinstance(old, dict) else {}, {**given, **roles.settings})
    return OwnData(file=file, table=table, roles=roles, settings=settings, changes=changes, space=space)


def _some_texts(table: pa.Table, name: str | None) -> Sequence[str]:
    """Return texts or lists of tokens of a column that are enough to measure lengths; none if it holds neither."""
    column = table.column(name).drop_null() if name in table.column_names else None
    if column is None or not len(column) or not (is_text(column.type) or holds_tokens(column.type)):
        return []
    rows = column.take(spread_positions(len(column), _SAMPLE))
    if holds_tokens(column.type):
        return read_token_lists(rows, str(name)).rows
    written = find_written_lists(rows)
    if written is not None and written.kind == "tokens":
        return read_written_tokens(written, np.zeros(len(rows), dtype=bool), str(name)).rows
    return [as_plain_text(text) for text in rows.to_pylist()]


def _given(overrides: Sequence[str]) -> tuple[dict[str, Any], Task | None]:
    """Return the settings of the data section and the task that overrides give. Loading the space reports wrong ones."""
    own = [each for each in overrides if key_of(each).partition(".")[0] in ("data", "task")]
    tree = override(parse_document("data: {}", "--set"), own).tree
    data, task = tree.get("data"), tree.get("task")
    return dict(data) if isinstance(data, dict) else {}, next((known for known in TASKS if known == task), None)


def _text_format(given: Mapping[str, Any]) -> TextFormat:
    """Return how overrides say that the text of the file is written, without what is wrong."""
    separator = read_separator(str(given.get("separator") or ""))
    encoding = str(given.get("encoding") or "")
    return TextFormat(
        next((known for known in get_args(Quoting) if known == given.get("quoting")), None),
        None if separator_fault(separator) else separator,
        None if encoding_fault(encoding) else encoding,
    )


def _named_columns(document: Document, table: pa.Table) -> dict[str, Any]:
    """Return the settings of a space that name columns which the table has too."""
    data = document.tree.get("data")
    fields = (*_COLUMN_FIELDS, *_SEQUENCE_FIELDS)
    named = {name: data[name] for name in fields if data.get(name) is not None} if isinstance(data, dict) else {}
    return {
        name: value
        for name, value in named.items()
        if all(_is_there(str(each), table, name) for each in (value if isinstance(value, list) else [value]))
    }


def _is_there(column: str, table: pa.Table, field: str) -> bool:
    names = table.column_names
    return column in names or (field == "sequence" and any(is_like(name, column) for name in names))


def _check_given(file: str, given: Mapping[str, Any], table: pa.Table, reading: Reading) -> None:
    """Raise the error of the reader if an override names a column that is missing or there twice."""
    named_by = {
        str(column): f"data.{name}"
        for name in _COLUMN_FIELDS
        for column in (given[name] if isinstance(given.get(name), list) else [given.get(name)])
        if column is not None
    }
    if any(table.column_names.count(name) != 1 for name in named_by):
        read_table(file, list(named_by), named_by=named_by, reading=reading)


def _say_roles(file: str, table: pa.Table, roles: Roles, say: Callable[[str], None]) -> None:
    unused = list_names([repr(name) for name in roles.unused], most=_MOST_UNUSED)
    rest = f"; left unused: {unused}" if unused else ""
    say(f"data: {file}: {number_of_rows(table.num_rows)}; {roles.sentence}; task {roles.task}{rest}")
    for note in roles.notes:
        say(f"note: {note}")


def _fit_shipped_space(
    name: str | None, task: Task, inputs: Inputs, say: Callable[[str], None]
) -> tuple[str, Document, dict[str, Any]]:
    """Return the name of the shipped space to use, its document, and the settings that fit it to the task."""
    asked = None if name is None else find_space(name)[0].stem
    fitting = "sequence" if inputs == "sequence" else task
    used = fitting if asked is None or asked in SPACES_OF_TASKS or inputs == "sequence" else asked
    if asked not in (None, used):
        reason = f"{_REASONS[task]}, so the task is {task}"
        of_inputs = " on sequences" if inputs == "sequence" else ""
        say(f"note: {reason}{of_inputs}: the shipped space {used} is used instead of {asked}")
    document = read_document(shipped_spaces()[used])
    changes: dict[str, Any] = {} if document.tree["task"] == task else {"task": task}
    for parameter, kept in options_for_task(document.tree["space"], task, inputs).items():
        changes[f"space.{parameter}"] = kept
        say(f"note: space.{parameter} is {yaml_value(kept)}; the other options of {used} are not for task {task}")
    return f"{SHIPPED}{used}", document, changes


def _max_length(
    document: Document, texts: Sequence[str], overrides: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Return a longer max_length if the one of a shipped space would cut many of the texts.

    `tuner.search.adaptation` has the tokens and the length for scripts without spaces, unless the tokens are set.
    """
    shipped = document.tree["space"].get("max_length")
    tokens = [each for each in overrides if each.startswith("space.tokens")]
    is_set = any(each.startswith("space.max_length") for each in overrides)
    if not texts or is_set or (not tokens and lacks_spaces(texts)):
        return {}
    unit, lengths = count_tokens(texts, _are_characters(override(document, tokens).tree["space"].get("tokens")))
    choices = shipped if isinstance(shipped, list) else [shipped]
    long = int(np.percentile(lengths, LONG, method="inverted_cdf"))
    length = min(long, _MOST_TOKENS)
    if length <= max(choices):
        return {}
    value = [*choices, length] if isinstance(shipped, list) else length
    most = "," if long == length else ", the most unless you set it,"
    say(
        f"note: {LONG} % of the texts have {long:,} {unit} or fewer, so space.max_length is {value}{most} not {shipped}"
    )
    return {"space.max_length": value}


def _are_characters(tokens: Any) -> bool:
    """Return whether characters are the only tokens that a space names."""
    items = tokens if isinstance(tokens, list) else [tokens]
    return all(item == "character" or (isinstance(item, dict) and "character" in item) for item in items)


def _check_task(file: str, space: str, document: Document, found: Task, given: Task | None) -> None:
    """Refuse labels that do not fit the task of a person's own space. Two labels also fit task multiclass."""
    task = given or document.tree.get("task")
    if task in (found, None) or (task == "multiclass" and found == "binary"):
        return
    what = f"its labels are for task {found}, but {space} has task {task}"
    remedy = f"add {set_option('task', found)}, or name other labels with --set data.label=COLUMN"
    raise SpaceError([Fault(file, what, remedy)])


def _kept_settings(old: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a space that also hold for other rows: not its files, nor its columns."""
    dropped = {"train", *_COLUMN_FIELDS, *_SEQUENCE_FIELDS}
    dropped |= {name for name in ("validation", "test", "judge") if isinstance(old.get(name), str)}
    if settings.get("split_column") is not None:
        dropped |= {"folds", "validation", "test"}
    elif settings.get("folds") is not None:
        dropped.add("validation")
    elif settings.get("validation") is not None:
        dropped.add("folds")
    return {name: value for name, value in old.items() if name not in dropped}
