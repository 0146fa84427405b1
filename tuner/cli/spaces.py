"""init, validate, schema: the space file."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.output import print_json, print_rows, say

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override anything in the space, as --set search.time=10m or --set space.hidden='[64, 128]'. Repeatable.",
)


@click.command()
@click.argument("name", default="multilabel")
@click.option("--to", "folder", default="spaces", show_default=True, help="Folder to copy into.")
@click.option("--force", is_flag=True, help="Replace a file of that name.")
def init(name: str, folder: str, force: bool) -> None:
    """Copy the shipped space NAME to ./spaces, to edit.

    \b
    Example:
      tuner init multilabel
      tuner run spaces/multilabel.yaml --set data.train=my.parquet
    """
    from tuner.errors import Fault, UsageError, did_you_mean
    from tuner.space.load import shipped_spaces

    shipped = shipped_spaces()
    if name not in shipped:
        raise UsageError([Fault("NAME", f"no shipped space is called {name!r}", did_you_mean(name, shipped))])
    target = Path(folder) / f"{name}.yaml"
    if target.exists() and not force:
        raise UsageError(
            [Fault(str(target), "the file is there already", "give --force to replace it, or --to elsewhere")]
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(shipped[name].read_bytes())
    say(f"wrote {target}; next: edit it, then `tuner run {target}`")


@click.command()
@click.argument("space")
@set_option
@click.option("--with-data", is_flag=True, help="Read the data too: columns, labels, splits.")
def validate(space: str, overrides: tuple[str, ...], with_data: bool) -> None:
    """Check a space file and tell every fault with its line.

    \b
    Example:
      tuner validate spaces/multilabel.yaml --with-data
    """
    from tuner.space.domains import searched_parameters
    from tuner.space.load import load_space

    loaded = load_space(space, overrides)
    say(source_line(loaded.source, loaded.is_shipped))
    if with_data:
        from tuner.search.reading import load_checked

        dataset = load_checked(loaded, say)
        for note in dataset.notes:
            say(f"note: {note}")
        rows = ", ".join(f"{name} {len(split):,}" for name, split in dataset.splits.items())
        say(f"data: {rows} rows; {len(dataset.labels)} labels")
    searched = list(searched_parameters(loaded.parameters))
    say(f"valid: {loaded.task} of {loaded.inputs}s, {len(searched)} parameters searched: {', '.join(searched)}")


@click.command()
@click.option("--format", "format_", type=click.Choice(["json", "table", "csv"]), default="json", show_default=True)
def schema(format_: str) -> None:
    """Print the JSON Schema of a space file, for editors, or a table of every hyperparameter, for people.

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


def source_line(source: str, is_shipped: bool) -> str:
    """Say which file a space was taken from."""
    return f"space: {source}{' (shipped with tuner)' if is_shipped else ''}"
