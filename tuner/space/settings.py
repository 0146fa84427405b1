"""The data section of a space file as frozen typed settings.

A rule about one field is part of the field's type and bounds. A rule about several fields is a `Rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tuner.show_value import show_yaml
from tuner.space.assignment import Write
from tuner.space.base_section import Broken, Rule, Section, Values, refuse
from tuner.space.task import LABEL_FIELDS, LABEL_FORM_FIELDS, STEP_FIELDS, Inputs
from tuner.space.text_format import Quoting, TextFormat, encoding_fault, read_separator, separator_fault

Name = Annotated[str, Field(min_length=1)]
ColumnName = Annotated[Name, WithJsonSchema({"type": ["string", "number", "boolean"], "minLength": 1})]
"""The name of a column. A space may write it as 5 or true: the loader takes the text that was written."""

GROUP_OF_BUILTIN: Mapping[str, str] = {"builtin:docstrings": "function"}
"""The column of groups of each built-in set that has one. So no space needs to name it, and one's own rows do not inherit it."""


def _read_split(value: object) -> object:
    """Accept a file's name, or a fraction of the training rows between 0 and 1."""
    remedy = Write("name a file, or give a fraction of the training rows, such as {}", (("", 0.15),))
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise refuse(f"{show_yaml(value)} is neither a file nor a fraction", remedy)
    if isinstance(value, int | float) and not 0 < value < 1:
        raise refuse(f"{show_yaml(value)} is not between 0 and 1", remedy)
    if value == "":
        raise refuse("the file's name is empty", remedy)
    return value


def _read_columns(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",")]
        raise refuse(f"{show_yaml(value)} is one name, not a list", Write("write {}", (("", names),)))
    return value


def _read_sequence(value: object) -> object:
    """Accept one name or pattern, or a list of several."""
    names = list(value) if isinstance(value, list | tuple) else [value]
    for name in names:
        if value is not None and (not isinstance(name, str) or not name):
            raise refuse(f"{show_yaml(name)} is not the name of a column", "write one name, or a list such as [x, y]")
    if not names:
        raise refuse("the list is empty", "write one name, or a list such as [x, y]")
    return names[0] if len(names) == 1 else tuple(names)


def _sequence_is_named(values: Values) -> Broken | None:
    given = [name for name in STEP_FIELDS if values.get(name) is not None]
    if given and values.get("sequence") is None:
        what = f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} given, but no column of values is named"
        return what, "add sequence: COLUMN, or [COLUMN, …] for several channels"
    if given == ["order"]:
        what = "order is given, but without sequence_id a row is a whole series, so there is nothing to put in order"
        return what, "add sequence_id: COLUMN (which rows are the steps of one series), or remove order"
    return None


def _one_label_field(values: Values) -> Broken | None:
    fields = [name for name in LABEL_FIELDS if values.get(name) is not None]
    if not fields:
        return (
            "no column of labels is named, but exactly one is needed",
            "add label: COLUMN (one label per row), labels: COLUMN (a list per row) or label_columns: [COLUMN, …]",
        )
    if len(fields) > 1:
        return (
            f"{' and '.join(fields)} are given, but only one is allowed",
            "keep one, and set the others to null",
        )
    return None


def _distinct_columns(field: str) -> Callable[[Values], Broken | None]:
    def check(values: Values) -> Broken | None:
        columns = values.get(field)
        if isinstance(columns, list | tuple) and len(set(map(str, columns))) < len(columns):
            return f"{field} names a column twice", "name each column once"
        return None

    return check


def _label_form_has_a_column(values: Values) -> Broken | None:
    given = [name for name in LABEL_FORM_FIELDS if values.get(name) is not None]
    if given and values.get("label_columns") is not None:
        return f"{' and '.join(given)} cannot apply to label_columns", f"remove {given[0]}, or set it to null"
    separator = values.get("label_separator")
    if values.get("label") is not None and separator not in (None, "none"):
        return f"label_separator is {show_yaml(separator)}, but label gives one label per row", "use none, or labels"
    return None


def _distinct_label_names(values: Values) -> Broken | None:
    names = values.get("label_names")
    if isinstance(names, list | tuple) and len(set(map(_read_label, names))) < len(names):
        return "label_names has a name twice", "give each place its own name"
    return None


def _one_kind_of_input(values: Values) -> Broken | None:
    if values.get("text") is not None and values.get("sequence") is not None:
        what = "text and sequence are given, but a row is either a text or a numeric sequence"
        return what, _one_of("text", "sequence")
    return None


def _folds_are_the_validation(values: Values) -> Broken | None:
    if values.get("folds") is None or values.get("validation") is None:
        return None
    what = "folds and validation are given, but folds validate on every training row in turn"
    return what, _one_of("folds", "validation")


def _one_of(first: str, second: str) -> Write:
    """Return the remedy for two settings that exclude each other."""
    return Write(f"to use {first}, write {{}}; to use {second}, write {{}}", ((second, None), (first, None)))


def _split_is_somewhere(split: str) -> Callable[[Values], Broken | None]:
    def check(values: Values) -> Broken | None:
        source, column = values.get(split), values.get("split_column")
        if split == "validation" and values.get("folds") is not None:
            return None
        if source is None and column is None:
            return (
                f"{split} is null, and no split_column says which rows belong to it",
                Write("give {}, or a file", ((split, 0.15),)),
            )
        if isinstance(source, str) and column is not None:
            return (
                f"{split} is the file {source!r}, but with split_column {column!r} every split comes from one file",
                f"remove {split} or split_column",
            )
        return None

    return check


def _rows_are_left_to_train(values: Values) -> Broken | None:
    fractions = {name: values.get(name) for name in ("validation", "test")}
    carved = {name: value for name, value in fractions.items() if isinstance(value, int | float)}
    if values.get("split_column") is not None or sum(carved.values()) < 1:  # the column may assign rows to both splits
        return None
    shares = " and ".join(f"{name} {value:g}" for name, value in carved.items())
    return f"{shares} take {sum(carved.values()):g} of train, which leaves no training row", "use smaller fractions"


SplitSource = Annotated[
    str | float | None,
    BeforeValidator(_read_split),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {"type": "null"},
            ]
        }
    ),
]


def _read_label(value: object) -> object:
    """Turn a label that YAML reads as a whole number (1 or 1.0) or a boolean into text. Labels are text everywhere else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int) else value


LabelName = Annotated[
    Name | None,
    BeforeValidator(_read_label),
    WithJsonSchema({"type": ["string", "integer", "boolean", "null"]}),
]
PlaceName = Annotated[Name, BeforeValidator(_read_label), WithJsonSchema({"type": ["string", "integer", "boolean"]})]


def _read_separator(value: object) -> object:
    if value == "":  # as YAML reads a bar without quotes
        raise refuse("the separator is empty", Write("for a bar, write {}", (("", "|"),)))
    separator = read_separator(value) if isinstance(value, str) else value
    return _refuse_broken(value, separator_fault(separator) if isinstance(separator, str) else None, separator)


def _read_encoding(value: object) -> object:
    return _refuse_broken(value, encoding_fault(value) if isinstance(value, str) else None, value)


def _refuse_broken(written: object, broken: tuple[str, str] | None, value: object) -> object:
    if broken is not None:
        raise refuse(f"{show_yaml(written)} {broken[0]}", broken[1])
    return value


SequenceNames = Annotated[
    str | tuple[str, ...] | None,
    BeforeValidator(_read_sequence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean"], "minLength": 1},
                {
                    "type": "array",
                    "items": {"type": ["string", "number", "boolean"], "minLength": 1},
                    "minItems": 1,
                    "uniqueItems": True,
                },
                {"type": "null"},
            ]
        }
    ),
]


class DataSettings(Section):
    """Where the rows are, and which columns hold what."""

    train: Name = Field(
        description="The training rows: a Parquet, CSV or JSON Lines file or URI, a folder or pattern of them, or builtin:NAME."
    )
    validation: SplitSource = Field(
        default=0.15,
        description="The validation rows: a file, or a fraction of the training rows. Null: use split_column or folds.",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="Cross-validation instead of a validation split: the number of folds. Each validates once.",
    )
    test: SplitSource = Field(
        default=0.15,
        description="The sealed test rows: a file, or a fraction of the training rows. Null: use split_column.",
    )
    judge: Name | None = Field(
        default=None,
        description="Fresh labelled rows, a file as for train, that judge the champion once after the test. Nothing else reads "
        "them.",
    )
    split_column: ColumnName | None = Field(
        default=None, description="The column that assigns each row to train, validation or test."
    )
    text: ColumnName | None = Field(
        default=None,
        description="The column of texts. Default: text, unless sequence is given.",
        json_schema_extra={"default": "text"},
    )
    sequence: SequenceNames = Field(
        default=None,
        description="The column of numeric sequences. A row is a list of numbers, or a list of steps that list their channels. "
        "Also a column per step, such as t* for t1, t2, …; or a list of columns or of patterns, such as [x_*, y_*].",
    )
    sequence_id: ColumnName | None = Field(
        default=None,
        description="The column that says which rows are the steps of one series. Default: a row is a whole series.",
    )
    order: ColumnName | None = Field(
        default=None,
        description="The column of numbers, dates or times that orders the steps of a series. Default: the order of the file.",
    )
    label: ColumnName | None = Field(
        default=None, description="The column of labels, one label per row (binary and multiclass)."
    )
    labels: ColumnName | None = Field(
        default=None, description="The column of label lists, several labels per row (multilabel)."
    )
    label_columns: Annotated[tuple[ColumnName, ...], BeforeValidator(_read_columns), Field(min_length=1)] | None = (
        Field(
            default=None,
            description="The columns of 0 and 1, one for each label (multilabel, or if each row has one 1).",
        )
    )
    label_form: Literal["lists", "vectors"] | None = Field(
        default=None,
        description="How lists are read: as lists of labels, or as vectors of 0 and 1 by position. Null: found out.",
    )
    label_names: Annotated[tuple[PlaceName, ...], BeforeValidator(_read_columns), Field(min_length=2)] | None = Field(
        default=None, description="The labels of a vector's places, in order. Null: their positions from 0."
    )
    label_separator: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="What separates labels in a text, such as a comma; <> for <a><b>, none for one label. Null: found out.",
    )
    label_case: Literal["join", "keep"] = Field(
        default="join", description="Whether labels that differ only in case are one label (join) or several (keep)."
    )
    group: ColumnName | None = Field(
        default=None,
        description="The column of groups. Rows with the same value stay in the same split. Built-in sets know their own.",
    )
    positive: LabelName = Field(
        default=None, description="The positive label (binary). Default: the label that is rarer in the training rows."
    )
    quoting: Quoting | None = Field(
        default=None,
        description="Quotation marks in CSV. Standard: they enclose values. None: they are plain characters. Default: what fits.",
    )
    separator: Annotated[str | None, BeforeValidator(_read_separator)] = Field(
        default=None, description="What separates the values in CSV: one character, or tab. Null: found out."
    )
    encoding: Annotated[str | None, BeforeValidator(_read_encoding)] = Field(
        default=None,
        description="The encoding of text files, such as latin-1 or cp1252. Null: UTF-8, or marked UTF-16.",
    )
    skip_unusable: bool = Field(
        default=False, description="Leave out rows that cannot be used, and say how many, instead of refusing the data."
    )

    rules = (
        Rule(LABEL_FIELDS, _one_label_field),
        Rule(("label_columns",), _distinct_columns("label_columns")),
        Rule(("sequence",), _distinct_columns("sequence")),
        Rule((*LABEL_FIELDS, *LABEL_FORM_FIELDS), _label_form_has_a_column),
        Rule(("label_names",), _distinct_label_names),
        Rule(("text", "sequence"), _one_kind_of_input),
        Rule(("sequence", "sequence_id", "order"), _sequence_is_named),
        Rule(("folds", "validation"), _folds_are_the_validation),
        Rule(("validation", "split_column", "folds"), _split_is_somewhere("validation")),
        Rule(("test", "split_column"), _split_is_somewhere("test")),
        Rule(("validation", "test", "split_column"), _rows_are_left_to_train),
    )

    @classmethod
    def fill(cls, values: Values) -> Values:
        """Fill in the column "text" unless a sequence is named, the group of a built-in set, and no validation with folds."""
        filled = dict(values)
        if filled.get("sequence") is None and filled.get("text") is None:
            filled["text"] = "text"
        if filled.get("folds") is not None:
            filled.setdefault("validation", None)
        filled.setdefault("group", GROUP_OF_BUILTIN.get(str(filled.get("train"))))
        return filled

    @property
    def text_format(self) -> TextFormat:
        """How the text of the files is written."""
        return TextFormat(self.quoting, self.separator, self.encoding)

    @property
    def inputs(self) -> Inputs:
        """What a row is: a text or a numeric sequence."""
        return "text" if self.sequence is None else "sequence"


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else 1


def _label_field_fits_task(values: Values) -> Broken | None:
    task = values["task"]
    fields = [name for name in LABEL_FIELDS if values.get(name) is not None]
    if len(fields) != 1:
        return None  # the section's own rule reports it
    if task == "multilabel" and fields == ["label"]:
        return (
            "label gives one label per row, but task multilabel needs several",
            Write("use labels: COLUMN or label_columns: [COLUMN, …], or {}", (("task", "multiclass"),), holder=()),
        )
    are_columns = fields == ["label_columns"] and _count(values["label_columns"]) > 1  # each row may have one of them
    if task != "multilabel" and fields != ["label"] and not are_columns:
        return (
            f"{fields[0]} gives several labels per row, but task {task} has one",
            Write("use label: COLUMN, or {}", (("task", "multilabel"),), holder=()),
        )
    return None


def _positive_fits_task(values: Values) -> Broken | None:
    if values.get("positive") is not None and values["task"] != "binary":
        return (
            f"positive is given, but task {values['task']} has no positive label",
            Write("remove positive, or use {}", (("task", "binary"),), holder=()),
        )
    return None


# Rules about the task together with the data section.
TASK_RULES = (
    Rule(("task", *LABEL_FIELDS), _label_field_fits_task),
    Rule(("task", "positive"), _positive_fits_task),
)
