"""The command line: parse, call, print. Heavy imports stand inside the commands, so that help is quick."""

from __future__ import annotations

import click

from tuner import __version__
from tuner.cli.compare import compare
from tuner.cli.diagnose import diagnose
from tuner.cli.models import evaluate, predict
from tuner.cli.report import report
from tuner.cli.runs import ls, show
from tuner.cli.search import plan, resume, run
from tuner.cli.spaces import init, schema, validate
from tuner.cli.verify import verify


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
      tuner resume RUN                    go on with a search that was interrupted or died
      tuner show RUN                      what came of it
      tuner report RUN --open             the same with all the evidence, as one page
      tuner diagnose RUN                  why it collapsed, if it did
      tuner predict runs/RUN data.csv     use the champion
    """


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show where in the program an error comes from."
)  # read where errors are told, in tuner.__main__
debug_option(tuner)
for command in (
    run,
    resume,
    init,
    validate,
    plan,
    ls,
    show,
    report,
    diagnose,
    compare,
    verify,
    predict,
    evaluate,
    schema,
):
    tuner.add_command(debug_option(command))
