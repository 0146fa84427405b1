"""predict: a bundle's predictions for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.columns import input_columns
from tuner.cli.location import locate_model
from tuner.cli.options import runs_option, skip_option, text_options
from tuner.cli.output import say
from tuner.cli.row_counts import say_row_counts, verbose_option

if TYPE_CHECKING:
    import pyarrow as pa

    from tuner.bundle.model_bundle import Bundle
    from tuner.data.encoded import Encoded
    from tuner.space.text_format import TextFormat


@click.command()
@click.argument("bundle")
@click.argument("data")
@click.option(
    "--out", metavar="FILE", help="Write to this .parquet, .csv or .jsonl file. Default: JSON Lines to stdout."
)
@click.option("--text", metavar="COLUMN", help="Column of texts. Default: the one the bundle was trained on.")
@click.option("--sequence", metavar="COLUMN", help="Column of sequences. Default: the one the bundle was trained on.")
@click.option("--sequence-id", metavar="COLUMN", help="Column that says which rows are the steps of one series.")
@click.option("--order", metavar="COLUMN", help="Column that orders the steps of a series.")
@skip_option
@text_options
@verbose_option
@runs_option
def predict(
    bundle: str,
    data: str,
    out: str | None,
    skip_unusable: bool,
    text_format: TextFormat,
    verbose: bool,
    runs: str,
    **given: str | None,
) -> None:
    """Predict the labels of every row of DATA with BUNDLE.

    BUNDLE is the directory of a bundle, or the directory or name of a run. Writes one row per row of DATA, in the same
    order: the row number, the prediction (a list in multi-label), and p_LABEL, the probability of each label. Row numbers
    count from 1, and skipped rows keep their numbers. A series in several rows gets one row, with its id and the number of its
    first row. DATA is a file, a folder of files of one format, or a pattern. A line on stderr says how many rows were read,
    predicted, left out and cut, and in how many no word is known.

    \b
    Example:
      tuner predict tickets new.csv --out preds.parquet
      tuner predict runs/tickets new.csv --text body --skip-unusable > preds.jsonl
    """
    from tuner.data.table_writer import check_output, write_table

    if out is not None:
        check_output(out, source=data)

    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns
    from tuner.data.formats.content import Reading
    from tuner.data.load import read_inputs
    from tuner.data.table_reader import read_table

    model = load(locate_model(bundle, runs))
    columns = Columns(**input_columns(model.columns, given), is_tokenised=model.is_tokenised)
    read: list[Any] = []
    inputs, rows, notes = read_inputs(
        data, columns, skip_unusable=skip_unusable, say=say, text_format=text_format, note_rows=read.append
    )
    for note in notes:
        say(f"note: {note}")
    encoded = model.encode(inputs)
    table = _predictions(model, encoded, rows)
    if columns.sequence_id is not None:
        table = _with_series(table, read_table(data, [columns.sequence_id], reading=Reading(text_format)), rows)
    write_table(table, out)
    say_row_counts(
        data, model, encoded, inputs, rows.tolist(), read=read[0].tolist(), used="predicted", is_verbose=verbose
    )
    if out is not None:
        say(f"wrote {len(table):,} predictions to {out}")


def _with_series(table: pa.Table, ids: pa.Table, rows: Any) -> pa.Table:
    """Add the id of each series. `ids` is that column of all rows in the file."""
    name = ids.column_names[0]
    return table.add_column(1, name if name not in table.column_names else "sequence_id", ids.column(0).take(rows - 1))


def _predictions(model: Bundle, encoded: Encoded, rows: Any) -> pa.Table:
    import pyarrow as pa

    probabilities = model.predict_encoded(encoded)
    predictions = model.name_decisions(model.decide(probabilities))
    kind = pa.list_(pa.string()) if model.task == "multilabel" else pa.string()
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "prediction": pa.array(predictions, kind),  # Arrow could not infer the type if all lists were empty
            **{f"p_{label}": probabilities[:, number] for number, label in enumerate(model.labels)},
        }
    )
