"""show: the results of a run."""

from __future__ import annotations

import click

from tuner.cli.completion import complete_runs
from tuner.cli.location import locate_run
from tuner.cli.options import format_option, runs_option
from tuner.cli.output import Format
from tuner.cli.run_summary import print_run


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Add the settings that mattered, the settings that collapsed, the data, and the most wrong test rows.",
)
@runs_option
@format_option
def show(run: str, is_all: bool, runs: str, format_: Format) -> None:
    """Show the results of a run: status, leaderboard, champion and verdict.

    RUN is the name or the directory of a run. CSV prints the leaderboard only. --all prints the content of the report page
    as text and tables.

    If files of the run are damaged or missing, warnings name them, and the rest is shown. The exit code is 2 if nothing of the
    run can be read. A terminal that is too narrow for a table leaves columns out, and a line says which.

    \b
    Example:
      tuner show multilabel-20261121-0905
      tuner show multilabel-20261121-0905 --format json | jq .champion.test.macro_f1
    """
    print_run(locate_run(run, runs), format_, is_all=is_all)
