"""plan: how long a search takes."""

from __future__ import annotations

import click

from tuner.cli.completion import complete_spaces
from tuner.cli.location import load_named_space
from tuner.cli.options import data_option, format_option, set_option
from tuner.cli.output import Format, print_json, print_rows, print_sentence, print_table, print_text, say
from tuner.cli.search import address_option, check_address
from tuner.show_value import show_duration, show_share


@click.command()
@click.argument("space", required=False, shell_complete=complete_spaces)
@data_option
@set_option
@address_option
@format_option
def plan(space: str | None, data: str | None, overrides: tuple[str, ...], address: str | None, format_: Format) -> None:
    """Estimate how many trials the budget of SPACE allows, and how long the search takes, after a short calibration.

    \b
    Example:
      tuner plan spaces/multilabel.yaml --set search.time=1h
      tuner plan --data tickets.csv --set search.time=1h
      tuner plan spaces/multilabel.yaml --address HEAD:6379
    """
    check_address(address)
    loaded = load_named_space(space, overrides, data)
    say("calibrating: training a few configurations for some seconds each")

    from tuner.search.plan import make_plan

    estimate = make_plan(loaded, say, address=address)
    if format_ == "json":
        print_json(estimate)
        return
    if format_ == "csv":
        print_rows(estimate["rungs"], ("epochs", "share_of_trials", "seconds"), "csv")
        return
    rungs = [
        {**row, "share_of_trials": show_share(row["share_of_trials"]), "time": show_duration(row["seconds"])}
        for row in estimate["rungs"]
    ]
    print_table(rungs, ("epochs", "share_of_trials", "time"), title="rungs")
    print_text("")
    for sentence in estimate["sentences"]:
        print_sentence(sentence)
