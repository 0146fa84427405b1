"""verify: check a run's directory for damage."""

from __future__ import annotations

import click

from tuner.cli.completion import complete_runs
from tuner.cli.location import locate_run
from tuner.cli.options import format_option, runs_option
from tuner.cli.output import Format, print_json, print_rows, say
from tuner.show_value import show_count

_COLUMNS = ("where", "what", "remedy")


@click.command()
@click.argument("run", shell_complete=complete_runs)
@runs_option
@format_option
@click.pass_context
def verify(context: click.Context, run: str, runs: str, format_: Format) -> None:
    """Check a run's directory for damage.

    RUN is the name or the directory of a run. The command compares every file with the manifest, every part of a table with
    its checksums, trials with their measurements, and predictions with the splits. It also reads the champion's bundle, and
    loads its network unless every file is as the manifest says. The exit code is 0 if nothing is damaged, and 1 otherwise.

    \b
    Example:
      tuner verify multilabel-20261121-0905
      tuner verify s3://bucket/runs/tickets --format json | jq .is_whole
    """
    from tuner.ledger.verify import verify as check

    result = check(locate_run(run, runs))
    if format_ == "json":
        print_json(result.describe())
    elif result.faults or format_ == "csv":
        print_rows(result.describe()["faults"], _COLUMNS, format_, below=("what", "remedy"))
    if not result.has_manifest:
        say(
            "note: there is no manifest, because the run is still going on or was cut off; its files so far were checked"
        )
    elif result.status == "unfinished":
        say("note: the run is being extended, or this was cut off; its files so far were checked")
    count = len(result.faults)
    say(f"{result.name}: {show_count(count, 'fault') if count else 'whole'}")
    if count:
        context.exit(1)
