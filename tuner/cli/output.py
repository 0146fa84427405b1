"""Print data to stdout as a table, JSON or CSV; print messages to stderr."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import click

from tuner.errors import printable
from tuner.show_value import show_value

Format = Literal["table", "json", "csv"]
_PIPE_WIDTH = 200  # a pipe has no width of its own; this keeps each row on one line

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


def say(text: str) -> None:
    """Print a message to stderr."""
    click.echo(printable(text, keep="\n"), err=True)


def print_text(text: str) -> None:
    """Print text that the user asked for to stdout."""
    click.echo(printable(text, keep="\n"))


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], format_: Format, *, title: str = "") -> None:
    """Print these columns of the rows, in this order. A value that a row lacks is left empty."""
    if format_ == "json":
        print_json([{column: row.get(column) for column in columns} for row in rows])
    elif format_ == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_csv_value(row.get(column)) for column in columns] for row in rows)
        click.echo(text.getvalue(), nl=False)
    else:
        print_table(rows, columns, title=title)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str = "") -> None:
    """Print a table for people, with numbers aligned right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(show_value(row.get(column), absent="")) for column in columns))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPE_WIDTH)
    console.print(table)


def _csv_value(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
