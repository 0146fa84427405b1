"""report: one HTML page about a run."""

from __future__ import annotations

import click

from tuner.cli.output import say
from tuner.cli.runs import damage_told, locate_run, runs_option


@click.command()
@click.argument("run")
@click.option(
    "--out",
    metavar="FILE",
    help="Where the page goes: a .html file, local or s3://, gs://, hdfs://; without it ./NAME-report.html.",
)
@click.option("--open", "is_opened", is_flag=True, help="Show it in the web browser.")
@runs_option
def report(run: str, out: str | None, is_opened: bool, runs: str) -> None:
    """Write one self-contained HTML page about a run, which opens from disk and needs no network.

    RUN is a name, or the path of a run's directory; one that is still going on, or was cut off, will do. What the ledger does
    not have is named on the page. The path of the page goes to stdout.

    \b
    Example:
      tuner report multilabel-20261121-0905 --open
      tuner report s3://bucket/runs/tickets --out tickets.html
    """
    from tuner.data.table_writer import check_place
    from tuner.errors import Fault, UsageError

    if out is not None and not out.lower().endswith((".html", ".htm")):
        what = f"{out!r} is not the name of an HTML file"
        raise UsageError([Fault("--out", what, "let it end in .html")])
    if out is not None:
        check_place(out)

    from tuner.report.material import gather
    from tuner.report.page import render
    from tuner.storage import Folder, split

    location = locate_run(run, runs)
    with damage_told(location):
        material = gather(location)
        page = render(material).encode()
    target = out or f"{material.run.name}-report.html"
    folder, name = split(target)
    there = Folder.at(folder)
    there.write(name, page)
    for sentence in material.missing:
        say(f"note: {sentence}")
    place = f"{there.path}/{name}" if there.is_local else target
    say(f"wrote the report, {len(page) / 1e6:.1f} MB")
    click.echo(place)
    if is_opened:
        _open(place, is_local=there.is_local)


def _open(place: str, *, is_local: bool) -> None:
    import webbrowser
    from pathlib import Path

    if not (is_local and webbrowser.open(Path(place).as_uri())):
        say("no browser could be opened here; copy the file to where there is one")
