"""predict, evaluate: what a bundle says of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tuner.cli.output import LABEL_COLUMNS, Format, format_option, print_json, print_rows, print_table, say
from tuner.cli.runs import locate_model, runs_option
from tuner.errors import Fault, UsageError

skip_option = click.option(
    "--skip-unusable", is_flag=True, help="Leave rows out that cannot be used, and say how many, instead of refusing."
)


@click.command()
@click.argument("bundle")
@click.argument("data")
@click.option("--out", metavar="FILE", help="Write .parquet, .csv or .jsonl; without it JSON lines go to stdout.")
@click.option("--text", metavar="COLUMN", help="Column of texts; without it the one that the bundle was trained on.")
@click.option("--sequence", metavar="COLUMN", help="Column of sequences; without it the one trained on.")
@skip_option
@runs_option
def predict(
    bundle: str, data: str, out: str | None, text: str | None, sequence: str | None, skip_unusable: bool, runs: str
) -> None:
    """Predict every row of DATA with BUNDLE, a bundle's directory, or the directory or the name of a run.

    Writes one row per row of DATA, in its order: row number, prediction (a list in multi-label), and p_LABEL, each label's
    probability. Rows are numbered from 1, and keep their numbers where others are left out.

    \b
    Example:
      tuner predict tickets new.csv --out preds.parquet
      tuner predict runs/tickets new.csv --text body --skip-unusable > preds.jsonl
    """
    import pyarrow as pa

    from tuner.data.table_writer import check_output, write_table

    if out is not None:
        check_output(out, source=data)

    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns
    from tuner.data.load import read_inputs

    model = load(locate_model(bundle, runs))
    columns = Columns(**_input_columns(model.columns, {"text": text, "sequence": sequence}))
    inputs, rows, notes = read_inputs(data, columns, skip_unusable=skip_unusable, say=say)
    for note in notes:
        say(f"note: {note}")
    probabilities = model.predict_proba(inputs)
    predictions = model.name_decisions(model.decide(probabilities))
    kind = pa.list_(pa.string()) if model.task == "multilabel" else pa.string()
    table = pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "prediction": pa.array(predictions, kind),  # of lists that are all empty the kind would not be known
            **{f"p_{label}": probabilities[:, number] for number, label in enumerate(model.labels)},
        }
    )
    write_table(table, out)
    if out is not None:
        say(f"wrote {len(probabilities):,} predictions to {out}")


@click.command()
@click.argument("bundle")
@click.argument("data")
@click.option("--text", metavar="COLUMN", help="Column of texts.")
@click.option("--sequence", metavar="COLUMN", help="Column of sequences.")
@click.option("--label", metavar="COLUMN", help="Column with one label a row.")
@click.option("--labels", metavar="COLUMN", help="Column with a list of labels a row.")
@click.option("--label-columns", metavar="A,B,…", help="Columns of 0 and 1, one per label.")
@click.option("--group", metavar="COLUMN", help="Column of groups, whose rows depend on each other.")
@skip_option
@runs_option
@format_option
def evaluate(bundle: str, data: str, skip_unusable: bool, runs: str, format_: Format, **given: str | None) -> None:
    """Measure BUNDLE on the labelled rows of DATA: macro-F1, score and skill with 95 % intervals, and a row per label.

    BUNDLE is a bundle's directory, or the directory or the name of a run. Columns are those that it was trained on, unless
    named.

    \b
    Example:
      tuner evaluate tickets march.parquet
      tuner evaluate runs/tickets march.csv --label topic --skip-unusable --format json | jq .macro_f1
    """
    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns
    from tuner.data.load import read_labelled
    from tuner.scoring.evaluation import evaluate as measure
    from tuner.scoring.indicator import as_indicator

    model = load(locate_model(bundle, runs))
    columns = Columns(**columns_of(model.columns, given))
    split, notes = read_labelled(
        data,
        columns,
        task=model.task,
        labels=model.labels,
        skip_unusable=skip_unusable,
        say=say,
        is_group_optional=given["group"] is None,
    )
    for note in notes:
        say(f"note: {note}")
    probabilities = model.predict_proba(split.inputs)
    measured = measure(
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
    for note in measured["notes"]:
        say(f"note: {note}")
    if format_ == "json":
        print_json(measured)
    elif format_ == "csv":
        print_rows(measured["labels"], LABEL_COLUMNS, "csv")
    else:
        low, high = measured["macro_f1_ci"]
        skill_low, skill_high = measured["skill_ci"]
        click.echo(f"rows: {measured['rows']:,}")
        click.echo(f"macro-F1: {measured['macro_f1']:.3f} (95 % {low:.3f} to {high:.3f})")
        click.echo(f"score: {measured['score']:.3f} (constant penalty {measured['constant_penalty']:.3f})")
        click.echo(f"skill: {measured['skill']:.3f} (95 % {skill_low:.3f} to {skill_high:.3f})")
        click.echo("")
        print_table(measured["labels"], LABEL_COLUMNS)


def columns_of(trained: Any, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The bundle's own columns, with those that were named in their place. UsageError for labels of another kind."""
    columns = {**trained, "group": given.get("group") or trained.get("group")}
    named = {name: given[name] for name in ("label", "labels", "label_columns") if given[name]}
    options = [f"--{name.replace('_', '-')}" for name in named]
    if len(named) > 1:
        raise UsageError([Fault(" and ".join(options), "labels stand in one place only", f"give {options[0]} alone")])
    if named and trained.get("label") and "label" not in named:
        told = "it gives several labels a row, but the bundle was trained on one"
        raise UsageError([Fault(options[0], told, "name the column of labels with --label")])
    if named:
        columns |= {"label": None, "labels": None, "label_columns": None} | named
    if isinstance(columns.get("label_columns"), str):
        names = [name.strip() for name in columns["label_columns"].split(",")]
        if not all(names) or len(set(names)) < len(names):
            told = f"{columns['label_columns']!r} has an empty name, or one twice"
            raise UsageError([Fault("--label-columns", told, "write each name once, with commas between")])
        columns["label_columns"] = names
    if columns.get("label_columns"):
        columns["label_columns"] = tuple(columns["label_columns"])
    return columns | _input_columns(trained, given)


def _input_columns(trained: Any, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The column of texts or of sequences: the one named, or the bundle's own. UsageError for a name of the other kind."""
    kind, other = ("sequence", "text") if trained.get("sequence") else ("text", "sequence")
    if given[other]:
        told = f"{given[other]!r} names a column of {other}s, but the bundle was trained on {kind}s"
        raise UsageError([Fault(f"--{other}", told, f"use --{kind} {given[other]}, or leave it out")])
    return {kind: given[kind] or str(trained[kind])}
