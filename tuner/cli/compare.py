"""compare: two runs or two bundles on the same rows."""

from __future__ import annotations

from typing import Any

import click

from tuner.cli.models import columns_of
from tuner.cli.output import Format, format_option, print_json, print_rows, print_table, say, tell
from tuner.cli.runs import locate_model, runs_option
from tuner.show_value import show_value


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--data", metavar="FILE", help="Judge both on the labelled rows of this file, not on their test splits.")
@click.option("--text", metavar="COLUMN", help="With --data: column of texts.")
@click.option("--sequence", metavar="COLUMN", help="With --data: column of sequences.")
@click.option("--label", metavar="COLUMN", help="With --data: column with one label a row.")
@click.option("--labels", metavar="COLUMN", help="With --data: column with a list of labels a row.")
@click.option("--label-columns", metavar="A,B,…", help="With --data: columns of 0 and 1, one per label.")
@click.option("--group", metavar="COLUMN", help="With --data: column of groups, whose rows depend on each other.")
@runs_option
@format_option
def compare(a: str, b: str, data: str | None, runs: str, format_: Format, **columns: str | None) -> None:
    """Compare the champions of A and B, runs or bundles, on the same rows, and tell what changed between them.

    Runs are compared on the test rows of both, bundles on --data FILE. Every difference is B less A, with a 95 % interval
    for the same rows. Rows of one group, and copies, count as one. Ends with 0 whichever is ahead. CSV has a row per label.

    Choosing between runs by their test rows is selection too: the more often it is done, the more the winner's lead is
    luck, which no interval here knows of. Rows that no choice has seen yet (--data) tell.

    \b
    Example:
      tuner compare monday tuesday
      tuner compare runs/monday/champion v1/bundle --data march.parquet --format json | jq .macro_f1
    """
    from tuner.cli.compare import compare as measure
    from tuner.cli.output import LABEL_COLUMNS
    from tuner.comparison.compare import match_rows
    from tuner.comparison.compared_models import changes, read_compared_model, recorded_rows, rows_of_file

    models = (read_compared_model(locate_model(a, runs)), read_compared_model(locate_model(b, runs)))
    if data is None:
        _refuse_columns(columns)
        decided = (recorded_rows(models[0]), recorded_rows(models[1]))
    else:
        decided = rows_of_file(*models, data, columns=lambda own: columns_of(own, columns), say=say)
    found = measure(match_rows(*decided))
    changed = changes(*models)
    described = {
        **{name: {"location": model.location, "kind": model.kind} for name, model in zip("ab", models, strict=True)},
        "data_file": data,
        **found,
        "changes": {key: value for key, value in changed.items() if key != "notes"},
        "notes": [*found["notes"], *changed["notes"]],
    }
    if format_ == "json":
        print_json(described)
        return
    for note in described["notes"]:
        say(f"note: {note}")
    if format_ == "csv":
        print_rows(found["labels"], LABEL_COLUMNS, "csv")
    else:
        _print_for_people(described)


def _refuse_columns(columns: dict[str, str | None]) -> None:
    from tuner.errors import Fault, UsageError

    faults = [
        Fault(f"--{name.replace('_', '-')}", "columns are read of --data alone", "give --data FILE, or leave it out")
        for name, value in columns.items()
        if value is not None
    ]
    if faults:
        raise UsageError(faults)


def _print_for_people(found: dict[str, Any]) -> None:
    from tuner.cli.output import LABEL_COLUMNS

    for name in "ab":
        tell(f"{name.upper()}: {found[name]['location']} ({found[name]['kind']})")
    tell(f"\n{found['conclusion']}\n")
    measures = [{"measure": name, **_with_interval(found[name])} for name in ("macro_f1", "score")]
    print_table(measures, tuple(measures[0]))
    counts = found["agreement"]
    alone = f"only A {counts['only_a_right']:,}, only B {counts['only_b_right']:,}"
    tell(f"\nrows right: both {counts['both_right']:,}, {alone}, neither {counts['both_wrong']:,}\n")
    columns = [{**row, "told_apart": row["told_apart"] or None} for row in found["labels"]]
    chance = f"chance alone tells about {0.05 * len(columns):.2g} of {len(columns)} labels apart"
    tell(f"F1 per label, each with its own 95 % interval; {chance}")
    print_table(columns, LABEL_COLUMNS)
    titles = {
        "space": "changed in the space",
        "configuration": "changed in the champion's configuration",
        "data": "changed in the data",
        "environment": "changed in the environment",
    }
    for name, title in titles.items():
        rows = found["changes"][name]
        if rows:
            tell("")
            print_table(
                [{key: show_value(value, real=".4g") for key, value in row.items()} for row in rows],
                tuple(rows[0]),
                title=title,
            )
        elif rows is not None:
            tell(f"\n{title}: nothing")


def _with_interval(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("a", "b", "difference")}
    return {**told, "95 %": f"{row['low']:.3f} to {row['high']:.3f}"}
