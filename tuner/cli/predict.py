"""predict: a bundle's predictions for a file."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.columns import input_columns, split_names
from tuner.cli.completion import complete_files, complete_runs
from tuner.cli.models import baseline_options, load_model
from tuner.cli.options import runs_option, skip_option, text_options
from tuner.cli.output import say
from tuner.cli.row_counts import verbose_option

if TYPE_CHECKING:
    from tuner.cli.predictions import Model
    from tuner.data.input_batches import InputFile
    from tuner.space.text_format import TextFormat

_FORMATS = {"csv": "csv", "tsv": "tsv", "jsonl": "json", "parquet": "parquet", "arrow": "arrow"}


@click.command()
@click.argument("bundle", shell_complete=complete_runs)
@click.argument("data", shell_complete=complete_files)
@click.option(
    "--out",
    metavar="FILE",
    shell_complete=complete_files,
    help="Write to this .parquet, .csv or .jsonl file. Default: JSON Lines to stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite the file of --out if there is one.")
@click.option(
    "--keep", metavar="A,B,…", help="Columns of DATA to keep beside the predictions, or none. Default: all of them."
)
@click.option("--text", metavar="COLUMN", help="Column of texts. Default: the one the bundle was trained on.")
@click.option("--sequence", metavar="COLUMN", help="Column of sequences. Default: the one the bundle was trained on.")
@click.option("--sequence-id", metavar="COLUMN", help="Column that says which rows are the steps of one series.")
@click.option("--order", metavar="COLUMN", help="Column that orders the steps of a series.")
@click.option(
    "--format-in", type=click.Choice(list(_FORMATS)), help="Format of DATA. Default: what its name or content says."
)
@baseline_options("Predict with")
@skip_option
@text_options
@verbose_option
@runs_option
def predict(
    bundle: str,
    data: str,
    out: str | None,
    force: bool,
    keep: str | None,
    format_in: str | None,
    skip_unusable: bool,
    text_format: TextFormat,
    verbose: bool,
    **given: Any,
) -> None:
    """Predict the labels of every row of DATA with BUNDLE.

    BUNDLE is the directory of a bundle, or the directory or name of a run. Writes one row per row of DATA, in the same
    order: the row number, the columns of DATA, the prediction (a list in multi-label), and p_LABEL, the probability of each
    label. Row numbers count from 1, and skipped rows keep their numbers. A series in several rows gets one row, with the number
    of its first row and the columns that are the same in all of them.

    DATA is a file, a folder of files of one format, a pattern, or - for standard input. It may be larger than memory, unless
    series have several rows. A line on stderr says how many rows were read, predicted, left out and cut, and in how many no word
    is known. The file of --out appears when it is complete.

    \b
    Example:
      tuner predict tickets new.csv --out preds.parquet
      tuner predict tickets - --keep id < new.csv > preds.jsonl
      tuner predict runs/tickets new.csv --text body --skip-unusable > preds.jsonl
      tuner predict tickets new.csv --baseline tfidf --out preds.csv
    """
    from tuner.data.table_writer import check_output

    if out is not None:
        check_output(out, source=data, is_forced=force)
    kept = None if keep is None else [] if keep == "none" else split_names("--keep", keep)
    model = load_model(bundle, given.pop("runs"), given.pop("baseline"), given.pop("overrides"))

    from tuner.data.dataset import Columns
    from tuner.data.input_batches import InputFile

    file = InputFile(
        uri=data,
        columns=Columns(**input_columns(model.columns, given), is_tokenised=model.is_tokenised),
        keep=kept,
        skip_unusable=skip_unusable,
        text_format=text_format,
        format_name=_FORMATS[format_in] if format_in else None,
    )
    _predict(model, file, out, is_verbose=verbose)


def _predict(model: Model, file: InputFile, out: str | None, *, is_verbose: bool) -> None:
    """Check all rows of the file, and then predict them and write the table."""
    from tuner.cli.predictions import Progress, predict_rows
    from tuner.data.input_batches import check_inputs
    from tuner.data.table_writer import open_table

    with ExitStack() as stack:
        file = _with_stream(file, stack)
        progress = Progress(file.uri)
        rows = check_inputs(
            file, note=lambda text: say(f"note: {text}"), seen=lambda count: progress.show(count, "checked")
        )
        write = stack.enter_context(open_table(out))
        predict_rows(model, rows, write, progress, is_verbose=is_verbose)
    if out is not None:
        say(f"wrote {int(rows.is_usable.sum()):,} predictions to {out}")


def _with_stream(file: InputFile, stack: ExitStack) -> InputFile:
    """Return the file, with a copy of what comes in if it is standard input or a pipe."""
    from dataclasses import replace

    from tuner.data.standard_input import copied_stream, is_stream

    if not is_stream(file.uri):
        return file
    source, format_name = stack.enter_context(copied_stream(file.uri, file.format_name))
    return replace(file, uri=source.parts[0].uri, source=source, format_name=format_name)
