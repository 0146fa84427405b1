"""The command line: parse, call, print. Heavy imports stand inside the commands, so that help is quick."""

from __future__ import annotations

import click

from tuner import __version__
from tuner.cli.models import evaluate, predict
from tuner.cli.runs import ls, show
from tuner.cli.search import plan, run
from tuner.cli.spaces import init, schema, validate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tuner")
def tuner() -> None:
    """Find an LSTM text classifier that does not collapse.

    A search takes a space (one YAML file: task, data, search settings, a range for every hyperparameter) and ends with one
    tested model and the evidence for it.

    \b
    Example:
      tuner init multilabel               copy a shipped space to ./spaces to edit
      tuner run spaces/multilabel.yaml    search, choose a champion, judge it once on test
      tuner show RUN                      what came of it
      tuner predict runs/RUN data.csv     use the champion
    """


for command in (run, init, validate, plan, ls, show, predict, evaluate, schema):
    tuner.add_command(command)
