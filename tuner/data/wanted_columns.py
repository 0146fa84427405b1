"""The columns that somebody wants of a file: which of its names are meant, and what is wrong if one is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.data.columns.patterns import columns_like, suggest_patterns
from tuner.data.name_lists import MOST_NAMES, list_names, near_name, suggest_name
from tuner.errors import DataError, Fault, data_error
from tuner.space.assignment import column_option, set_option, shell_word, yaml_value

_OF_STEPS = ("data.sequence", "--sequence")
_OF_SEVERAL = ("data.label_columns", "--label-columns", "--keep")  # settings that name more than one column
_WHEN_NOT_NEEDED = {
    "data.group": "if no rows belong together, no such column is needed",
    "data.sequence_id": "if each row is a whole series, no such column is needed",
    "--sequence-id": "if each row is a whole series, no such column is needed",
    "--order": "if the rows are in order, no such column is needed",
    "data.order": "if the rows are in order, no such column is needed",
    "data.split_column": "if the rows are not divided yet, no such column is needed",
}


@dataclass(frozen=True, kw_only=True)
class WantedColumns:
    """The columns to read, as in `read_table`, and the columns of the files so far.

    If `are_all_kept`, all other columns are read too, except those whose name is there twice.
    """

    columns: Sequence[str] | None
    named_by: Mapping[str, str]
    optional: Collection[str]
    patterns: Collection[str]
    are_all_kept: bool = False
    names_of: dict[str, Sequence[str]] = field(default_factory=dict)

    def choose(self, uri: str, names: Sequence[str]) -> list[str] | None:
        """Return the columns of the next file to read, None for all. Raises DataError."""
        known = [*names, *next(iter(self.names_of.values()), ())]
        meant = [name for each in self.columns or () for name in self._meant(each, known)]
        _refuse_other_columns(uri, names, meant, self.names_of)
        self.names_of[uri] = names
        if self.columns is None:
            return None
        wanted = [column for column in dict.fromkeys(meant) if column in names or column not in self.optional]
        _check_columns(uri, names, wanted, self.named_by)
        if self.are_all_kept:
            return [name for name, count in Counter(names).items() if count == 1]
        return wanted

    def _meant(self, column: str, known: Sequence[str]) -> list[str]:
        return columns_like(column, known) if column in self.patterns else [column]


def _refuse_other_columns(
    uri: str, names: Sequence[str], wanted: Sequence[str], earlier: Mapping[str, Sequence[str]]
) -> None:
    """Raise DataError if the file lacks a column that the first file has, or if it has another, where all are wanted."""
    if not earlier:
        return
    first, expected = next(iter(earlier.items()))
    differing = {*expected} ^ {*names}
    if missing := sorted(differing & {*(wanted or differing)}):
        where = "there" if missing[0] in expected else "here"
        what = f"its columns differ from those of {first}: {list_names([repr(name) for name in missing])} only {where}"
        raise data_error(uri, what, "give all files the same columns, or name some of them by a pattern")


def _check_columns(uri: str, names: Sequence[str], columns: Sequence[str], named_by: Mapping[str, str]) -> None:
    counts = Counter(names)
    missing = [column for column in columns if column not in counts]
    near = dict.fromkeys(missing) | {column: near_name(column, names) for column in missing[:MOST_NAMES]}  # it is slow
    changes = _changes(columns, near, named_by)
    faults = []
    for column in columns:
        if column in near:
            faults.append(_missing_column(uri, column, names, near[column], named_by.get(column), changes))
        elif counts[column] > 1:
            faults.append(Fault(uri, f"there are {counts[column]} columns {column!r}", "give each its own name"))
    if faults:
        raise DataError(faults)


def _changes(columns: Sequence[str], near: Mapping[str, str | None], named_by: Mapping[str, str]) -> dict[str, str]:
    """Return how to name others in place of missing columns, by setting or option. `near` has the nearest for each.

    A setting that names several columns gets its whole list.
    """
    named: dict[str, list[str]] = {}
    for column in columns:
        named.setdefault(named_by.get(column, ""), []).append(near.get(column, column) or "COLUMN")
    changes = {}
    for naming in {named_by[column] for column in near if column in named_by}:
        value = named[naming] if naming in _OF_SEVERAL or len(named[naming]) > 1 else named[naming][0]
        changes[naming] = _naming(naming, value)
    return changes


def _naming(setting: str, value: str | list[str]) -> str:
    """Return what to paste to name a column, or several, by a setting or option."""
    if not setting.startswith("--"):
        return set_option(setting, value)
    if setting in _OF_STEPS and not isinstance(value, str):
        return f"{setting} {shell_word(yaml_value(value))}"
    return column_option(setting, value)


def _missing_column(
    uri: str, column: str, names: Sequence[str], near: str | None, naming: str | None, changes: Mapping[str, str]
) -> Fault:
    """Say which setting or option names the missing column, which columns exist, and how to name another."""
    if naming is None:
        return Fault(uri, f"there is no column {column!r}", suggest_name(column, names))
    existing = f"the columns are {list_names([repr(name) for name in names], most=MOST_NAMES)}"
    named = "" if naming.startswith("--") else f", which {naming} names"  # the person may not have given the option
    what = f"there is no column {column!r}{named}; {existing}"
    if naming in _OF_STEPS and (patterns := suggest_patterns(names)):
        value = patterns[0] if len(patterns) == 1 else patterns
        return Fault(uri, what, f"if these columns are the steps of a series, {_naming(naming, value)}")
    change = changes[naming]
    remedy = f"did you mean {near!r}? Then {change}" if near else f"name another: {change}"
    if naming in _WHEN_NOT_NEEDED:
        without = f"{naming} ''" if naming.startswith("--") else f"--set {naming}=null"
        remedy = f"{_WHEN_NOT_NEEDED[naming]}: {without}; otherwise {remedy}"
    return Fault(uri, what, remedy)
