"""schema: the keys and values that a space file may have."""

from __future__ import annotations

import click

from tuner.cli.output import print_json, print_rows


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "table", "csv"]),
    default="json",
    show_default=True,
    help="json is the schema; table and csv list the hyperparameters.",
)
def schema(format_: str) -> None:
    """Print the JSON Schema of a space file, for editors, or a table of all hyperparameters, for people.

    \b
    Example:
      tuner schema > tuner.schema.json
      tuner schema --format table | less
    """
    if format_ == "json":
        from tuner.space.schema import json_schema

        print_json(json_schema())
    else:
        from tuner.space.describe import COLUMNS, describe_parameters

        print_rows(describe_parameters(), COLUMNS, "csv" if format_ == "csv" else "table")
