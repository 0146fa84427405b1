"""submit: run a search as a job of a Ray cluster."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from tuner.cli.completion import complete_spaces
from tuner.cli.location import load_named_space
from tuner.cli.options import data_option, runs_option, set_option
from tuner.cli.output import print_part, print_text, say
from tuner.cli.search import require_option
from tuner.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from tuner.errors import UsageError
    from tuner.jobs.job_server import Job, JobServer
    from tuner.scoring.verdict import Requirement
    from tuner.space.load import Space


@click.command()
@click.argument("space", required=False, shell_complete=complete_spaces)
@click.option(
    "--cluster",
    required=True,
    envvar="RAY_API_SERVER_ADDRESS",
    show_envvar=True,
    metavar="ADDRESS",
    help="Dashboard of the cluster's head, such as http://head:8265.",
)
@click.option("--name", required=True, metavar="NAME", help="Name of the run, and of its job.")
@data_option
@set_option
@runs_option
@require_option
@click.option(
    "--follow", is_flag=True, help="Show what the job prints, and end as its run ends. Ctrl-C leaves it running."
)
@click.option("--stop", is_flag=True, help="Interrupt the job. Submitting it again goes on with the run.")
def submit(
    space: str | None,
    cluster: str,
    name: str,
    data: str | None,
    overrides: tuple[str, ...],
    runs: str,
    require: Requirement | None,
    follow: bool,
    stop: bool,
) -> int:
    """Run a search as a job of a Ray cluster, and print the id of the job.

    This machine needs no Ray of its own, only the address and the token of the cluster. The space travels with the job, and so
    do the files of rows that it names, up to 50 MB; larger ones must be where the nodes reach them. The nodes need tuner, and
    --runs must name a place that all of them see.

    The job runs `tuner run SPACE --name NAME --resume-or-start`. So a job that was stopped, or died, goes on if it is submitted
    again, and submitting a job that runs already changes nothing. Without SPACE, --follow and --stop mean the job NAME.

    The exit code is 0 if the job is submitted, or stopped. With --follow it is that of the run, as for `tuner run`.

    \b
    Example:
      tuner submit multilabel --cluster http://head:8265 --name night --runs s3://bucket/runs
      tuner submit spaces/mine.yaml --cluster http://head:8265 --name mine --runs /mnt/tuner/runs --follow
      tuner submit --cluster http://head:8265 --name mine --stop
    """
    click.get_current_context().with_resource(sigterm_as_interrupt())
    from tuner.jobs.job_server import JobServer
    from tuner.jobs.submission import check_name, check_runs, known_job

    check_name(name)
    if stop:
        server = JobServer(cluster)
        return _stop(server, known_job(server, name))
    if space is None and data is None:
        if not follow:
            raise _nothing_to_do()
        server = JobServer(cluster)
        return _follow(server, known_job(server, name).id, name, require)
    check_runs(runs)
    loaded = load_named_space(space, overrides, data)
    server = JobServer(cluster)
    id_ = _submit(server, loaded, name, runs, require)
    if follow:
        return _follow(server, id_, name, require)
    print_text(id_)
    return 0


def _submit(server: JobServer, space: Space, name: str, runs: str, require: Requirement | None) -> str:
    """Submit the search, unless its job is there, and return the id of the job."""
    from tuner.jobs.package import make_package
    from tuner.jobs.submission import Search, submit

    arguments = ["--set", f"task={space.task}"] if space.is_task_given else []
    arguments += ["--require", require] if require else []
    search = Search(name=name, runs=runs, arguments=arguments)
    package = make_package(space)
    for note in (*server.notes, *package.notes):
        say(f"note: {note}")
    id_ = submit(server, search, package, say)
    say(f"  {_what_next(server, name)}")
    return id_


def _follow(server: JobServer, id_: str, name: str, require: Requirement | None) -> int:
    from tuner.errors import SearchInterrupted
    from tuner.jobs.ending import exit_code
    from tuner.jobs.submission import follow

    try:
        job = follow(server, id_, print_part, say)
    except KeyboardInterrupt:
        raise SearchInterrupted(f"job {id_} goes on; {_what_next(server, name)}") from None
    return exit_code(job, require, say)


def _stop(server: JobServer, job: Job) -> int:
    from tuner.errors import TunerError
    from tuner.jobs.ending import read_ledger
    from tuner.jobs.submission import stop

    if job.has_ended:
        say(f"job {job.id} has ended already ({job.status})")
        return 0
    job = stop(server, job)
    if not job.has_ended:
        raise TunerError(f"job {job.id} is still {job.status}; try again, or look at it with `ray job status {job.id}`")
    run = read_ledger(job)
    state = f"; the run is {run.status}" if run is not None else ""
    say(f"job {job.id} is {job.status}{state}; submit it again to go on with the run")
    return 0


def _nothing_to_do() -> UsageError:
    from tuner.errors import Fault, UsageError

    remedy = "name one, such as multilabel, or give your own rows with --data FILE; --follow and --stop need none"
    return UsageError([Fault("SPACE", "no space is named", remedy)])


def _what_next(server: JobServer, name: str) -> str:
    command = ["tuner", "submit", "--cluster", server.url, "--name", name]
    return f"follow it with `{shlex.join([*command, '--follow'])}`, stop it with `{shlex.join([*command, '--stop'])}`"
