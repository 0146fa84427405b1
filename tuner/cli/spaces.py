"""init, validate, schema: the space file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.output import print_json, print_rows, say
from tuner.errors import DataError, Fault, InputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from tuner.space.load import Space

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
      tuner init binary --to my-spaces
      tuner run my-spaces/binary.yaml --set data.train=my.parquet --set data.label=label --set data.group=null
    """
    from tuner.space.load import shipped_spaces
    from tuner.storage import errors_named

    shipped = shipped_spaces()
    if name not in shipped:
        raise UsageError([Fault("NAME", f"no shipped space is called {name!r}", did_you_mean(name, shipped))])
    if "://" in folder:
        raise UsageError([Fault(f"--to {folder}", "a space is copied to a local folder only", "name a local folder")])
    target = Path(folder) / f"{name}.yaml"
    with errors_named(str(target), "cannot be written"):
        if target.exists() and not force:
            remedy = "give --force to replace it, or --to elsewhere"
            raise UsageError([Fault(str(target), "the file is there already", remedy)])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(shipped[name].read_bytes())
    say(f"wrote {target}; next: edit it, then `{shlex.join(['tuner', 'run', str(target)])}`")


@click.command()
@click.argument("space")
@set_option
@click.option("--with-data", is_flag=True, help="Read the data too: columns, labels, splits, files of vectors.")
def validate(space: str, overrides: tuple[str, ...], with_data: bool) -> None:
    """Check a space file and tell every fault with its line.

    \b
    Example:
      tuner validate spaces/multilabel.yaml
      tuner validate multilabel --with-data --set data.folds=5 --set data.validation=null
    """
    from tuner.space.domains import searched_parameters
    from tuner.space.load import load_space

    loaded = load_space(space, overrides)
    say(source_line(loaded.source, loaded.is_shipped))
    if with_data:
        _validate_data(loaded)
    searched = list(searched_parameters(loaded.parameters))
    say(f"valid: {loaded.task} of {loaded.inputs}s, {len(searched)} parameters searched: {', '.join(searched)}")


def _validate_data(space: Space) -> None:
    """Read the data and the file of vectors, if there is one, and tell what there is. Raises InputError with all faults."""
    from tuner.search.reading import check_vectors, load_checked

    faults = _vector_faults(space)
    try:
        dataset = load_checked(space, say)
    except InputError as error:
        raise DataError([*error.faults, *faults]) from error
    if faults:
        raise DataError(faults)
    check_vectors(space, dataset, say)
    for note in dataset.notes:
        say(f"note: {note}")
    if dataset.folds is None:
        rows = ", ".join(f"{name} {len(split):,}" for name, split in dataset.splits.items())
    else:
        folds = (
            f"train {len(dataset.train):,} in {space.data.folds} folds, each the validation of what the others train"
        )
        rows = f"{folds}; test {len(dataset.test):,}"
    say(f"data: rows: {rows}; {len(dataset.labels)} labels")


def _vector_faults(space: Space) -> list[Fault]:
    """Return the faults of the file of word vectors that show before it is read, if the space names one."""
    from tuner.data.table_reader import check_readable
    from tuner.space.domains import Fixed, OptionChoice

    embedding = space.parameters.get("embedding")
    options = dict(embedding.options) if isinstance(embedding, OptionChoice) else {}
    path = options.get("file", {}).get("path")
    if not isinstance(path, Fixed):
        return []
    try:
        check_readable(str(path.value))
    except DataError as error:
        where = "space.embedding.file.path"
        return [Fault(f"{where}: {fault.where}", fault.what, fault.remedy) for fault in error.faults]
    return []


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
