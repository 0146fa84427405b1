"""verify: whether a run's directory is whole."""

from __future__ import annotations

import click

from tuner.cli.output import Format, format_option, print_json, print_rows, say
from tuner.cli.runs import locate_run, runs_option


@click.command()
@click.argument("run")
@runs_option
@format_option
@click.pass_context
def verify(context: click.Context, run: str, runs: str, format_: Format) -> None:
    """Check that a run's directory is whole.

    Every file against the manifest, every part of a table against its own checksums, trials against their reports, predictions
    against the splits, and the champion's bundle. Ends with 0 where all is sound and with 1 where something is damaged.

    RUN is a name, or the path of a run's directory.

    \b
    Example:
      tuner verify multilabel-20261121-0905
      tuner verify s3://bucket/runs/tickets --format json | jq .is_whole
    """
    from tuner.ledger.verify import verify as check

    found = check(locate_run(run, runs))
    if format_ == "json":
        print_json(found.describe())
    elif found.faults or format_ == "csv":
        print_rows(found.describe()["faults"], ("where", "what", "remedy"), format_)
    if not found.has_manifest:
        say("note: there is no manifest: the run is still going on, or was cut off; what it has so far was checked")
    count = len(found.faults)
    say(f"{found.name}: {f'{count} faults' if count > 1 else 'one fault' if count else 'whole'}")
    if count:
        context.exit(1)
