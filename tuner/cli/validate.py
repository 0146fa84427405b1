"""validate: check a space file, and its data."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

import click

from tuner.cli.completion import complete_spaces
from tuner.cli.data_summary import describe_rows, row_lines
from tuner.cli.location import load_named_space
from tuner.cli.options import data_option, set_option
from tuner.cli.output import print_json, say, say_sentence, width_of_stderr
from tuner.errors import DataError, Fault, InputError

if TYPE_CHECKING:
    from tuner.space.load import Space


@click.command()
@click.argument("space", required=False, shell_complete=complete_spaces)
@data_option
@set_option
@click.option("--with-data", is_flag=True, help="Read the data too: columns, labels, splits and word vectors.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="With json, print what was found to stdout too.",
)
def validate(
    space: str | None, data: str | None, overrides: tuple[str, ...], with_data: bool, format_: Literal["table", "json"]
) -> None:
    """Check a space file and report every fault with its line. --data implies --with-data.

    With the data, it says which columns are used, how many rows each label and each split has, how long the rows are, which
    scripts they are written in, and how many are copies.

    \b
    Example:
      tuner validate spaces/multilabel.yaml
      tuner validate --data tickets.csv
      tuner validate multilabel --with-data --set data.folds=5 --set data.validation=null
    """
    from tuner.space.assignment import key_of
    from tuner.space.counting import describe_size
    from tuner.space.domains import searched_parameters
    from tuner.space.task import COLUMN_FIELDS

    loaded, rows = load_named_space(space, overrides, data), None
    if with_data or data is not None:
        given = {key_of(each).removeprefix("data.") for each in overrides}
        found = () if data is None or not loaded.is_shipped else set(COLUMN_FIELDS) - given
        loaded, rows = _validate_data(loaded, found)
    searched = list(searched_parameters(loaded.parameters))
    number = f"{len(searched)} {'parameter' if len(searched) == 1 else 'parameters'} searched"
    say_sentence(
        f"valid: {loaded.task} task on {loaded.inputs}s; {number}{': ' if searched else ''}{', '.join(searched)}"
    )
    if size := describe_size(loaded.parameters):
        say_sentence(size)
    if format_ == "json":
        print_json(
            {
                "space": loaded.source,
                "task": loaded.task,
                "inputs": loaded.inputs,
                "searched": searched,
                "data": rows,
            }
        )


def _validate_data(space: Space, found: Collection[str]) -> tuple[Space, dict[str, Any]]:
    """Read the data, and the word vectors if the space names a file, and describe them.

    `found` are the settings of columns that no person gave. Return the space as it would run, and its rows as JSON values.
    Raises InputError with all faults.
    """
    from tuner.search.reading import check_vectors, load_checked

    faults = _vector_faults(space)
    try:
        space, dataset = load_checked(space, say)
    except InputError as error:
        raise DataError([*error.faults, *faults]) from error
    if faults:
        raise DataError(faults)
    check_vectors(space, dataset, say)
    described = describe_rows(space, dataset, found)
    for note in described["notes"]:
        say(f"note: {note}")
    for line in row_lines(described, width_of_stderr()):
        say(line)
    if dataset.folds is None:
        rows = ", ".join(f"{name} {len(split):,}" for name, split in dataset.splits.items())
    else:
        rows = (
            f"train {len(dataset.train):,} in {space.data.folds} folds, each validating a model trained on the others; "
            f"test {len(dataset.test):,}"
        )
    say_sentence(f"data: rows: {rows}; {len(dataset.labels)} labels")
    return space, described


def _vector_faults(space: Space) -> list[Fault]:
    """Return the faults of the file of word vectors, if the space names one. The file is not read."""
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
