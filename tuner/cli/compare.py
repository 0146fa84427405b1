"""compare: two runs or bundles on the same rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.columns import labelled_columns
from tuner.cli.completion import complete_runs
from tuner.cli.location import locate_model, name_damage
from tuner.cli.options import column_options, format_option, runs_option, text_options
from tuner.cli.output import Format, print_json, print_rows, print_sentence, print_table, print_text, say
from tuner.show_value import show_value

if TYPE_CHECKING:
    from tuner.comparison.compare import DecidedRows
    from tuner.comparison.compared_models import ComparedModel
    from tuner.space.text_format import TextFormat

_CHANGES = {
    "space": "changed in the space",
    "configuration": "changed in the champion's configuration",
    "data": "changed in the data",
    "environment": "changed in the environment",
}


@click.command()
@click.argument("a", shell_complete=complete_runs)
@click.argument("b", shell_complete=complete_runs)
@click.option("--data", metavar="FILE", help="Compare on the labelled rows of this file instead of the test splits.")
@column_options(note=" Needs --data.")
@text_options
@runs_option
@format_option
def compare(
    a: str, b: str, data: str | None, text_format: TextFormat, runs: str, format_: Format, **columns: str | None
) -> None:
    """Compare the champions of A and B on the same rows, and list what changed between them.

    A and B are runs or bundles. Runs are compared on the test rows they share, bundles on --data FILE. Each difference is B
    minus A, with a 95 % interval. Rows of one group, and copies of a row, count as one. The exit code is 0, whichever is
    ahead. CSV prints one row per label.

    If you choose between runs by their test rows, part of the winner's lead is luck. The more often you choose, the larger
    that part, and no interval here accounts for it. For a fair comparison, use rows that no choice has used yet (--data).

    \b
    Example:
      tuner compare monday tuesday
      tuner compare runs/monday/champion v1/bundle --data march.parquet --format json | jq .macro_f1
    """
    from tuner.comparison.compare import LABEL_COLUMNS

    described = _compare(a, b, data, runs, columns, text_format)
    if format_ == "json":
        print_json(described)
        return
    for note in described["notes"]:
        say(f"note: {note}")
    if format_ == "csv":
        print_rows(described["labels"], LABEL_COLUMNS, "csv")
    else:
        _print_comparison(described)


def _compare(
    a: str, b: str, data: str | None, runs: str, columns: dict[str, str | None], text_format: TextFormat
) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    from tuner.comparison.compare import compare as measure
    from tuner.comparison.compare import match_rows
    from tuner.comparison.compared_models import changes, read_compared_model, rows_of_file

    models = (read_compared_model(locate_model(a, runs)), read_compared_model(locate_model(b, runs)))
    if data is None:
        _refuse_columns({**columns, **asdict(text_format)})
        decided = (_recorded_rows(models[0]), _recorded_rows(models[1]))
    else:
        decided = rows_of_file(
            *models, data, columns=lambda trained: labelled_columns(trained, columns), say=say, text_format=text_format
        )
    measures = measure(match_rows(*decided))
    changed = changes(*models)
    return {
        **{name: {"location": model.location, "kind": model.kind} for name, model in zip("ab", models, strict=True)},
        "data_file": data,
        **measures,
        "changes": {key: value for key, value in changed.items() if key != "notes"},
        "notes": [*measures["notes"], *changed["notes"]],
    }


def _recorded_rows(model: ComparedModel) -> DecidedRows:
    from tuner.comparison.compared_models import recorded_rows

    with name_damage(model.location):
        return recorded_rows(model)


def _refuse_columns(columns: dict[str, str | None]) -> None:
    from tuner.errors import Fault, UsageError

    faults = [
        Fault(f"--{name.replace('_', '-')}", "this option works only with --data", "add --data FILE, or leave it out")
        for name, value in columns.items()
        if value is not None
    ]
    if faults:
        raise UsageError(faults)


def _print_comparison(described: dict[str, Any]) -> None:
    from tuner.comparison.compare import LABEL_COLUMNS

    for name in "ab":
        print_sentence(f"{name.upper()}: {described[name]['location']} ({described[name]['kind']})")
    print_sentence(f"\n{described['conclusion']}\n")
    measures = [{"measure": name, **_with_interval(described[name])} for name in ("macro_f1", "score")]
    print_table(measures, tuple(measures[0]), drop=("a", "b"))
    counts = described["agreement"]
    alone = f"only A {counts['only_a_right']:,}, only B {counts['only_b_right']:,}"
    print_sentence(f"\nrows right: both {counts['both_right']:,}, {alone}, neither {counts['both_wrong']:,}\n")
    labels = [{**row, "told_apart": row["told_apart"] or None} for row in described["labels"]]
    chance = f"by chance alone, about {0.05 * len(labels):.2g} of {len(labels)} labels would differ"
    print_sentence(f"F1 per label, each with its own 95 % interval; {chance}")
    print_table(labels, LABEL_COLUMNS, drop=("support", "a_f1", "b_f1", "high", "low"))
    for name, title in _CHANGES.items():
        _print_changes(described["changes"][name], title)


def _print_changes(rows: list[dict[str, Any]] | None, title: str) -> None:
    """Print what changed. With None, the two could not be compared, and nothing is printed."""
    if rows:
        print_text("")
        shown = [{key: _show_setting(value) for key, value in row.items()} for row in rows]
        print_table(shown, tuple(rows[0]), title=title)
    elif rows is not None:
        print_text(f"\n{title}: nothing")


def _show_setting(value: Any) -> str:
    """Show a setting as a space file writes it: true, [64, 128]."""
    from tuner.space.assignment import yaml_value

    return yaml_value(value) if isinstance(value, bool | list | tuple | dict) else show_value(value, real=".4g")


def _with_interval(row: dict[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in ("a", "b", "difference")}
    return {**values, "95 %": f"{row['low']:.3f} to {row['high']:.3f}"}
