"""plan: how long a search takes."""

from __future__ import annotations

import textwrap

import click

from tuner.cli.location import load_named_space
from tuner.cli.options import data_option, format_option, set_option
from tuner.cli.output import Format, print_json, print_rows, say

_WIDTH = 80


@click.command()
@click.argument("space", required=False)
@data_option
@set_option
@format_option
def plan(space: str | None, data: str | None, overrides: tuple[str, ...], format_: Format) -> None:
    """Estimate how many trials the budget of SPACE allows, and how long the search takes, after a short calibration.

    \b
    Example:
      tuner plan spaces/multilabel.yaml --set search.time=1h
      tuner plan --data tickets.csv --set search.time=1h
    """
    loaded = load_named_space(space, overrides, data)
    say("calibrating: training a few configurations for some seconds each")

    from tuner.search.plan import make_plan

    estimate = make_plan(loaded, say)
    if format_ == "json":
        print_json(estimate)
        return
    print_rows(estimate["rungs"], ("epochs", "share_of_trials", "seconds"), format_, title="rungs")
    if format_ == "table":
        click.echo("")
        for sentence in estimate["sentences"]:
            click.echo(textwrap.fill(sentence, _WIDTH))
