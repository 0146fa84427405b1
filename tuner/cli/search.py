"""run, plan: a search, and what it would do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tuner.cli.output import Format, format_option, print_json, print_rows, say
from tuner.cli.runs import print_run, runs_option
from tuner.cli.spaces import set_option, source_line

if TYPE_CHECKING:
    from tuner.space.load import Space

_BEATEN_EXIT_CODE = 3


@click.command()
@click.argument("space")
@click.option("--name", help="Name of the run; without it the space's name and the time.")
@set_option
@click.option(
    "--address", metavar="ADDRESS", help="Join the Ray cluster there ('auto', or HOST:PORT) instead of this machine."
)
@runs_option
@format_option
def run(
    space: str, name: str | None, overrides: tuple[str, ...], address: str | None, runs: str, format_: Format
) -> int:
    """Search SPACE and hand back one tested champion.

    SPACE is a file; where there is none of that name, spaces/multilabel.yaml or multilabel mean the shipped space. Ends with
    0, 1 if the search failed, 2 if the space or the data cannot be used, 3 if the champion does not beat the baselines,
    130 if interrupted.

    \b
    Example:
      tuner run spaces/multilabel.yaml
      tuner run multilabel --name tickets --set data.train=tickets.parquet --set data.group=null --set search.time=30m
    """
    started = time.monotonic()
    from tuner.errors import SearchInterrupted
    from tuner.space.load import load_space

    loaded = load_space(space, overrides)
    say(source_line(loaded.source, loaded.is_shipped))
    location = f"{runs}/{name or _default_name(loaded.source)}"
    say(f"run: {location}")

    from tuner.cli.progress import watching
    from tuner.search.run import run_search

    with watching(loaded) as watcher:
        try:
            manifest = run_search(loaded, location, address=address, watcher=watcher, started=started)
        except SearchInterrupted:
            again = f"tuner run {space} --name NEW_NAME" + "".join(f" --set {override!r}" for override in overrides)
            raise SearchInterrupted(
                f"interrupted; what had finished is kept: `tuner show {location}`. To search again: `{again}`"
            ) from None
    print_run(location, format_)
    _say_next(location, loaded)
    return 0 if manifest["verdict"] == "beats_baselines" else _BEATEN_EXIT_CODE


@click.command()
@click.argument("space")
@set_option
@format_option
def plan(space: str, overrides: tuple[str, ...], format_: Format) -> None:
    """Show the rungs of SPACE, how many trials its budget holds, and how long it takes, after a short calibration.

    \b
    Example:
      tuner plan spaces/multilabel.yaml --set search.time=1h
    """
    from tuner.space.load import load_space

    loaded = load_space(space, overrides)
    say(source_line(loaded.source, loaded.is_shipped))
    say("calibrating: a few configurations train for some seconds each")

    from tuner.search.plan import make_plan

    made = make_plan(loaded, say)
    if format_ == "json":
        print_json(made)
        return
    print_rows(made["rungs"], ("epochs", "share_of_trials", "seconds"), format_, title="rungs")
    if format_ == "table":
        click.echo("")
        for sentence in made["sentences"]:
            click.echo(sentence)


def _default_name(source: str) -> str:
    from datetime import datetime
    from pathlib import Path

    return f"{Path(source).stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def _say_next(location: str, space: Space) -> None:
    say("\nnext:")
    say(f"  tuner show {location} --format json            everything that was measured")
    say(f"  tuner predict {location} DATA --out preds.parquet   the champion on your rows (column {space.data.text!r})")
    say(f"  tuner evaluate {location} DATA                 the champion on rows with labels")
