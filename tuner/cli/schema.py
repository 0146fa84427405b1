"""schema: the keys and values that a space file may have."""

from __future__ import annotations

import click

from tuner.cli.output import print_json, print_rows, print_table


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "table", "csv"]),
    default="json",
    show_default=True,
    help="json is the schema; table and csv have one row per setting.",
)
def schema(format_: str) -> None:
    """Print the JSON Schema of a space file, for editors, or a table of all settings, for people.

    A setting has its dotted path, as --set takes it. LABEL stands for a label of the data.

    \b
    Example:
      tuner schema > tuner.schema.json
      tuner schema --format table | less
    """
    if format_ == "json":
        from tuner.space.schema import json_schema

        print_json(json_schema())
    else:
        from tuner.space.describe import COLUMNS, describe_settings

        rows = describe_settings()
        if format_ == "csv":
            print_rows(rows, COLUMNS, "csv")
        else:
            print_table(rows, COLUMNS, drop=("for", "type", "default"), below=("range", "description"), whole_in="csv")
