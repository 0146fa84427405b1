"""ls: list runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuner.cli.location import name_damage
from tuner.cli.options import format_option, runs_option
from tuner.cli.output import Format, print_rows, say

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run

_COLUMNS = ("name", "status", "verdict", "test_macro_f1", "trials", "seconds", "started_at")


@click.command()
@runs_option
@format_option
@click.pass_context
def ls(context: click.Context, runs: str, format_: Format) -> None:
    """List runs, with their status, verdict and macro-F1 on test.

    \b
    Example:
      tuner ls --format csv
    """
    from tuner.errors import Fault, LedgerError, UsageError
    from tuner.ledger.run_directory import list_runs, read_run
    from tuner.storage import Folder, join

    rows = []
    for name in list_runs(runs):
        try:
            with name_damage(join(runs, name)):
                rows.append(_row(name, read_run(join(runs, name))))
        except LedgerError as error:  # for example a run of another version; list the others anyway
            rows.append({"name": name, "status": "unreadable"})
            say(f"note: {error}")
    is_named = context.get_parameter_source("runs") is not ParameterSource.DEFAULT
    if not rows and is_named and not Folder.at(runs).exists():
        message = "there is no such folder"
        raise UsageError([Fault(f"--runs {runs}", message, "check the path, or leave it out for ./runs")])
    if not rows:
        say(f"no runs in {runs}; start one with `tuner run multilabel`")
    print_rows(rows, _COLUMNS, format_)


def _row(name: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "status": run.status,
        "verdict": run.champion.get("verdict"),
        "test_macro_f1": run.champion.get("test", {}).get("macro_f1"),
        "trials": sum(row["phase"] == "search" for row in run.trials),
        "seconds": run.manifest.get("seconds"),
        "started_at": run.environment.get("started_at"),
    }
