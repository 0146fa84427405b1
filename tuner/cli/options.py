"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from tuner.cli.completion import complete_files, complete_folders, complete_settings

if TYPE_CHECKING:
    from tuner.space.text_format import TextFormat

Command = TypeVar("Command", bound=Callable[..., Any])

runs_option = click.option(
    "--runs",
    default="runs",
    show_default=True,
    metavar="FOLDER",
    is_eager=True,  # completion of runs needs it
    shell_complete=complete_folders,
    help="Folder that holds the runs: a local path, or s3://, gs:// or hdfs://.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=complete_settings,
    help="Override a setting of the space: --set search.time=10m, --set space.hidden='[64, 128]'. Repeatable.",
)
data_option = click.option(
    "--data",
    metavar="FILE",
    shell_complete=complete_files,
    help="Your own rows instead of those of the space. tuner finds the columns, the labels and the task, and says which.",
)
skip_option = click.option(
    "--skip-unusable", is_flag=True, help="Skip rows that cannot be used, and report them, instead of stopping."
)
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="Output format on stdout.",
)

_COLUMN_OPTIONS = (
    ("--text", "COLUMN", "Column of texts."),
    ("--sequence", "COLUMN", "Column of sequences, or a pattern such as t* for a column per step."),
    ("--sequence-id", "COLUMN", "Column that says which rows are the steps of one series."),
    ("--order", "COLUMN", "Column that orders the steps of a series."),
    ("--label", "COLUMN", "Column with one label per row."),
    ("--labels", "COLUMN", "Column with a list of labels per row."),
    ("--label-columns", "A,B,…", "Columns of 0 and 1, one per label."),
    ("--group", "COLUMN", "Column of groups. Rows of one group depend on each other."),
)

_TEXT_OPTIONS = (
    click.option(
        "--quoting",
        type=click.Choice(["standard", "none"]),
        help="Quotation marks in CSV. Standard: they enclose values. None: they are plain characters. Default: what fits.",
    ),
    click.option(
        "--separator", metavar="CHARACTER", help="What separates the values in CSV: , ; | or tab. Default: what fits."
    ),
    click.option(
        "--encoding", metavar="NAME", help="Encoding of text files, such as latin-1. Default: UTF-8, or marked UTF-16."
    ),
)


def text_options(command: Command) -> Command:
    """Add the options about the text of a file. The command gets them as `text_format`."""

    @wraps(command)
    def with_text_format(*, quoting: Any, separator: str | None, encoding: str | None, **given: Any) -> Any:
        return command(text_format=_text_format(quoting, separator, encoding), **given)

    added: Any = with_text_format
    for option in reversed(_TEXT_OPTIONS):
        added = option(added)
    return cast(Command, added)


def _text_format(quoting: Any, separator: str | None, encoding: str | None) -> TextFormat:
    from tuner.errors import Fault, UsageError
    from tuner.space.text_format import TextFormat, encoding_fault, read_separator, separator_fault

    given = {
        "--separator": (separator, None if separator is None else separator_fault(read_separator(separator))),
        "--encoding": (encoding, None if encoding is None else encoding_fault(encoding)),
    }
    faults = [Fault(option, f"{value!r} {broken[0]}", broken[1]) for option, (value, broken) in given.items() if broken]
    if faults:
        raise UsageError(faults)
    return TextFormat(quoting, None if separator is None else read_separator(separator), encoding)


def column_options(*, note: str = "") -> Callable[[Command], Command]:
    """Return a decorator that adds the options naming the columns of a labelled file; `note` ends each help text."""

    def add(command: Command) -> Command:
        for option, metavar, text in reversed(_COLUMN_OPTIONS):
            command = click.option(option, metavar=metavar, help=f"{text}{note}")(command)
        return command

    return add
