"""Print data to stdout as a table, JSON or CSV; print messages to stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Literal

import click

from tuner.cli.table_layout import Column, Layout, lay_out, wrap, wrap_options
from tuner.errors import printable
from tuner.show_value import show_value

Format = Literal["table", "json", "csv"]

LABEL_COLUMNS = (
    "label",
    "support",
    "prevalence",
    "decision_rate",
    "precision",
    "recall",
    "f1",
    "auc",
    "average_precision",
)
DROP_OF_LABELS = ("average_precision", "auc", "decision_rate", "prevalence", "precision", "recall", "support")
"""The order in which a narrow terminal leaves columns of `LABEL_COLUMNS` out."""


def say(text: str) -> None:
    """Print a message to stderr."""
    click.echo(printable(text, keep="\n"), err=True)


def say_sentence(text: str) -> None:
    """Print a sentence without a remedy to stderr. On a terminal, lines break between words."""
    for line in text.split("\n"):
        say("\n".join(wrap(printable(line), width_of_stderr())))


def print_text(text: str) -> None:
    """Print text that the user asked for to stdout."""
    click.echo(printable(text, keep="\n"))


def print_part(text: str) -> None:
    """Print a part of a text that the user asked for to stdout. The next part goes on where it ends."""
    click.echo(printable(text, keep="\n\t"), nl=False)


def print_sentence(text: str) -> None:
    """Print a text that the user asked for to stdout. On a terminal, lines break between words."""
    for line in text.split("\n"):
        print_text("\n".join(wrap(printable(line), width_of_stdout())))


def print_options(text: str) -> None:
    """Print options for a command line to stdout. On a terminal, lines break before an option and can still be pasted."""
    print_text("\n".join(wrap_options(printable(text), width_of_stdout())))


def print_advice(lines: Sequence[str], indent: str) -> None:
    """Print advice to stdout: sentences, and commands or options that can be pasted."""
    for line in lines:
        print_line = print_options if line.startswith(("tuner ", "--set ")) else print_sentence
        print_line(f"{indent}{line}")


def captured(print_it: Callable[[], None]) -> str:
    """Return what a function prints to stdout, laid out for the real stdout."""
    is_terminal = sys.stdout.isatty()
    page = io.StringIO()
    page.isatty = lambda: is_terminal  # type: ignore[method-assign]
    with redirect_stdout(page):
        print_it()
    return page.getvalue()


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format_: Format,
    *,
    title: str = "",
    drop: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print these columns of the rows, in this order. A value that a row lacks is left empty.

    `drop` and `below` are as in `print_table`.
    """
    if format_ == "json":
        print_json([{column: row.get(column) for column in columns} for row in rows])
    elif format_ == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_csv_value(row.get(column)) for column in columns] for row in rows)
        click.echo(text.getvalue(), nl=False)
    else:
        print_table(rows, columns, title=title, drop=drop, below=below)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    title: str = "",
    drop: Sequence[str] = (),
    below: Sequence[str] = (),
    whole_in: str = "json",
) -> None:
    """Print a table for people, with numbers aligned right.

    In a pipe each row has one line. If a terminal is too narrow, the columns `below` become lines below their row, and then
    columns are left out in the order of `drop`. A last line says which, and that the format `whole_in` has them.
    """
    layout = lay_out(
        [
            Column(
                name=_heading(column),
                cells=[printable(show_value(row.get(column), absent="")) for row in rows],
                is_number=any(isinstance(row.get(column), int | float) for row in rows),
            )
            for column in columns
        ],
        width_of_stdout(),
        drop=list(map(_heading, drop)),
        below=list(map(_heading, below)),
    )
    if title:
        print_text(title)
    header, *lines = layout.lines
    click.echo(_styled(header, bold=True))
    for line in lines:
        click.echo(line)
    left_out = describe_left_out(layout)
    if left_out:
        sentence = f"{left_out}; a wider terminal or --format {whole_in} shows them"
        for line in wrap(sentence, width_of_stdout()):
            click.echo(_styled(line, dim=True))


def describe_left_out(layout: Layout) -> str:
    """Say which columns a narrow table lacks or has cut; "" if it is whole."""
    parts = (("not shown", layout.dropped), ("cut", layout.cut))
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)


def width_of_stdout() -> int | None:
    """Return the width of the terminal, or None in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def width_of_stderr() -> int | None:
    """Return the width of the terminal, or None if messages go to a pipe or a file."""
    return os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else None


def _heading(column: str) -> str:
    return printable(column.replace("_", " "))


def _styled(text: str, **style: bool) -> str:
    return text if os.environ.get("TERM") == "dumb" else click.style(text, **style)


def _csv_value(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
