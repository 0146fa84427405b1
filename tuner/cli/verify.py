"""verify: check a run's directory for damage."""

from __future__ import annotations

import click

from tuner.cli.location import locate_run
from tuner.cli.options import format_option, runs_option
from tuner.cli.output import Format, print_json, print_rows, say


@click.command()
@click.argument("run")
@runs_option
@format_option
@click.pass_context
def verify(context: click.Context, run: str, runs: str, format_: Format) -> None:
    """Check a run's directory for damage.

    Checks every file against the manifest, every part of a table against its checksums, trials against their measurements,
    predictions against the splits, and the champion's bundle. RUN is the name or the directory of a run. Exits with 0 if all
    is sound, and with 1 if something is damaged.

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
        print_rows(result.describe()["faults"], ("where", "what", "remedy"), format_)
    if not result.has_manifest:
        say("note: there is no manifest: the run is going on, or was cut off; what it wrote so far was checked")
    count = len(result.faults)
    say(f"{result.name}: {f'{count} faults' if count > 1 else 'one fault' if count else 'whole'}")
    if count:
        context.exit(1)
