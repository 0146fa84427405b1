"""evaluate: a bundle's scores on a labelled file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.columns import labelled_columns
from tuner.cli.location import locate_model
from tuner.cli.options import column_options, format_option, runs_option, skip_option, text_options
from tuner.cli.output import LABEL_COLUMNS, Format, print_json, print_rows, print_table, say
from tuner.cli.row_counts import say_row_counts, verbose_option

if TYPE_CHECKING:
    from tuner.space.text_format import TextFormat


@click.command()
@click.argument("bundle")
@click.argument("data")
@column_options()
@skip_option
@text_options
@verbose_option
@runs_option
@format_option
def evaluate(
    bundle: str,
    data: str,
    skip_unusable: bool,
    text_format: TextFormat,
    verbose: bool,
    runs: str,
    format_: Format,
    **given: str | None,
) -> None:
    """Evaluate BUNDLE on the labelled rows of DATA.

    It prints macro-F1, score and skill with 95 % intervals, and one row per label. BUNDLE is the directory of a bundle, or
    the directory or name of a run. It reads the columns that the bundle was trained on, unless options name others.
    DATA is a file, a folder of files of one format, or a pattern. A line on stderr says how many rows were read, judged, left
    out and cut, and in how many no word is known.

    \b
    Example:
      tuner evaluate tickets march.parquet
      tuner evaluate runs/tickets march.csv --label topic --skip-unusable --format json | jq .macro_f1
    """
    measures = _measure(
        locate_model(bundle, runs),
        data,
        skip_unusable=skip_unusable,
        text_format=text_format,
        is_verbose=verbose,
        given=given,
    )
    for note in measures["notes"]:
        say(f"note: {note}")
    if format_ == "json":
        print_json(measures)
    elif format_ == "csv":
        print_rows(measures["labels"], LABEL_COLUMNS, "csv")
    else:
        _print_measures(measures)


def _measure(
    location: str,
    data: str,
    *,
    skip_unusable: bool,
    text_format: TextFormat,
    is_verbose: bool,
    given: dict[str, str | None],
) -> dict[str, Any]:
    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns
    from tuner.data.load import read_labelled
    from tuner.scoring.evaluation import evaluate as measure
    from tuner.scoring.indicator import as_indicator

    model, read = load(location), list[Any]()
    split, notes = read_labelled(
        data,
        Columns(**labelled_columns(model.columns, given), is_tokenised=model.is_tokenised),
        task=model.task,
        labels=model.labels,
        skip_unusable=skip_unusable,
        say=say,
        is_group_optional=given["group"] is None,
        text_format=text_format,
        note_rows=read.append,
    )
    for note in notes:
        say(f"note: {note}")
    encoded = model.encode(split.inputs)
    probabilities = model.predict_encoded(encoded)
    say_row_counts(
        data,
        model,
        encoded,
        split.inputs,
        split.rows.tolist(),
        read=read[0].tolist(),
        used="judged",
        is_verbose=is_verbose,
    )
    return measure(
        model.decide(probabilities),
        probabilities,
        as_indicator(split.targets, len(model.labels)),
        task=model.task,
        labels=model.labels,
        seen=model.seen,
        penalty_weight=model.record["penalty_weight"],
        blocks=split.blocks,
        seed=0,
    )


def _print_measures(measures: dict[str, Any]) -> None:
    low, high = measures["macro_f1_ci"]
    skill_low, skill_high = measures["skill_ci"]
    click.echo(f"rows: {measures['rows']:,}")
    click.echo(f"macro-F1: {measures['macro_f1']:.3f} (95 % {low:.3f} to {high:.3f})")
    click.echo(f"score: {measures['score']:.3f} (constant penalty {measures['constant_penalty']:.3f})")
    click.echo(f"skill: {measures['skill']:.3f} (95 % {skill_low:.3f} to {skill_high:.3f})")
    click.echo("")
    print_table(measures["labels"], LABEL_COLUMNS)
