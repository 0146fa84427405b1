"""report: one HTML page about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tuner.cli.completion import complete_files, complete_runs
from tuner.cli.location import locate_run
from tuner.cli.options import runs_option
from tuner.cli.output import say

if TYPE_CHECKING:
    from tuner.report.material import Material


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "--out",
    metavar="FILE",
    shell_complete=complete_files,
    help="Write the page to this .html file, local or s3://, gs:// or hdfs://. Default: ./NAME-report.html.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the web browser.")
@runs_option
def report(run: str, out: str | None, is_opened: bool, runs: str) -> None:
    """Write one self-contained HTML page about a run. It opens from disk and needs no network.

    RUN is the name or the directory of a run. The run may still be going on, may have been cut off, or some of its files may
    be damaged. The page then says what is missing. The path of the page is printed to stdout.

    \b
    Example:
      tuner report multilabel-20261121-0905 --open
      tuner report s3://bucket/runs/tickets --out tickets.html
    """
    from tuner.data.table_writer import check_place
    from tuner.errors import Fault, UsageError
    from tuner.storage import Folder, extension, split

    if out is not None and extension(out) not in (".html", ".htm"):
        message = f"{out!r} is not the name of an HTML file"
        raise UsageError([Fault("--out", message, "use a name that ends in .html")])
    if out is not None:
        check_place(out)

    from tuner.ledger.damaged_run import use_what_can_be_read
    from tuner.report.material import gather

    location = locate_run(run, runs)
    (material, page), _ = use_what_can_be_read(location, lambda run: _draw(gather(location, run)))
    target = out or f"{material.run.name}-report.html"
    parent, name = split(target)
    folder = Folder.at(parent)
    folder.write(name, page)
    for sentence in material.missing:
        say(f"note: {sentence}")
    place = f"{folder.path}/{name}" if folder.is_local else target
    say(f"wrote the report, {len(page) / 1e6:.1f} MB")
    click.echo(place)
    if is_opened:
        _open(place, is_local=folder.is_local)


def _draw(material: Material) -> tuple[Material, bytes]:
    from tuner.report.page import render

    return material, render(material).encode()


def _open(place: str, *, is_local: bool) -> None:
    import webbrowser
    from pathlib import Path

    if not (is_local and webbrowser.open(Path(place).as_uri())):
        say("could not open a browser here; copy the file to a machine that has one")
