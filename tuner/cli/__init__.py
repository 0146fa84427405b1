"""The command line. Each verb has its own file. It imports heavy modules inside the command, so that help stays fast."""

from __future__ import annotations

import click

from tuner import __version__
from tuner.cli.cluster import cluster
from tuner.cli.compare import compare
from tuner.cli.diagnose import diagnose
from tuner.cli.distil import distil
from tuner.cli.evaluate import evaluate
from tuner.cli.init import init
from tuner.cli.ls import ls
from tuner.cli.plan import plan
from tuner.cli.predict import predict
from tuner.cli.report import report
from tuner.cli.resume import resume
from tuner.cli.run import run
from tuner.cli.schema import schema
from tuner.cli.show import show
from tuner.cli.submit import submit
from tuner.cli.validate import validate
from tuner.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tuner")
def tuner() -> None:
    """Find an LSTM text classifier that does not collapse.

    A search reads a space: one YAML file with the task, the data, the search settings and a range for each hyperparameter.
    It ends with one tested model and the evidence for it.

    \b
    Example:
      tuner init multilabel               copy a shipped space to ./spaces, to edit
      tuner run spaces/multilabel.yaml    search, choose a champion, test it once
      tuner run --data tickets.csv        the same on your own rows, in one step
      tuner resume RUN                    continue a search, or give a finished one more time
      tuner submit SPACE --cluster URL …  run a search as a job of a Ray cluster
      tuner show RUN                      print the results
      tuner report RUN --open             show them on one page, with all the evidence
      tuner diagnose RUN                  find out whether and why it collapsed
      tuner predict runs/RUN data.csv     use the champion
    """


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Print a traceback if the command fails."
)  # read in tuner.__main__, which prints errors
debug_option(tuner)
for command in (
    run,
    resume,
    submit,
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
    distil,
    cluster,
    schema,
):
    tuner.add_command(debug_option(command))
