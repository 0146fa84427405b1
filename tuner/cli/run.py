"""run: search a space."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.completion import complete_spaces
from tuner.cli.location import load_named_space
from tuner.cli.options import data_option
from tuner.cli.output import say
from tuner.cli.search import SearchOptions, check_address, perform, print_result, search_options
from tuner.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from tuner.search.watcher import Watcher


@click.command()
@click.argument("space", required=False, shell_complete=complete_spaces)
@data_option
@click.option("--name", metavar="NAME", help="Name of the run. Default: the name of the space and the time.")
@click.option(
    "--resume-or-start",
    is_flag=True,
    help="Resume the run NAME if it is there, wait if another process works on it, and do nothing if it is finished.",
)
@search_options
def run(space: str | None, data: str | None, name: str | None, resume_or_start: bool, **given: Any) -> int:
    """Search SPACE and return one tested champion.

    SPACE is a YAML file. If it does not exist, multilabel and spaces/multilabel.yaml both mean the space shipped with
    tuner. With --data, SPACE may be left out: the labels decide which shipped space is used.

    With --name and --resume-or-start, the same command can be given again and again, by people, cron or Kubernetes: it begins
    the run, resumes it, waits for the process that works on it, or says that it is finished.

    The exit code is 0 if the search finished, whatever its verdict; 1 if it failed; 2 if the space or the data cannot be
    used; 3 if it finished but the verdict is worse than --require; 130 if it was interrupted.

    \b
    Example:
      tuner run spaces/multilabel.yaml
      tuner run spaces/multilabel.yaml --require beats_baselines
      tuner run spaces/multilabel.yaml --name monday --resume-or-start
      tuner run --data tickets.parquet --name tickets --set search.time=30m
      tuner run binary --data mail.csv --set data.text=body --set data.label=is_spam
    """
    started = time.monotonic()
    # Handle SIGTERM from here on: importing Ray and reading data take seconds.
    click.get_current_context().with_resource(sigterm_as_interrupt())
    from tuner.storage import join

    options = SearchOptions(**given)
    if name is not None:
        _check_name(name)
    if resume_or_start:
        return _run_or_resume(space, data, name, options, started)
    check_address(options.address)
    loaded = load_named_space(space, options.overrides, data)
    location = join(options.runs, name or _default_name(loaded.source))

    def search(watcher: Watcher) -> Mapping[str, Any]:
        from tuner.search.run import run_search

        return run_search(loaded, location, address=options.address, watcher=watcher, started=started)

    return perform(location, options, search)


def _run_or_resume(
    space: str | None, data: str | None, name: str | None, options: SearchOptions, started: float
) -> int:
    from tuner.errors import Fault, UsageError
    from tuner.search.repetition import find_finished, run_or_resume, wait_for_others
    from tuner.storage import Folder, join

    if name is None:
        raise UsageError([Fault("--resume-or-start", "the run has no name to find it by", "add --name NAME")])
    loaded = load_named_space(space, options.overrides, data)
    location = join(options.runs, name)
    manifest = find_finished(loaded, location, say)
    if manifest is None and wait_for_others(Folder.at(location), say):
        started = time.monotonic()
        manifest = find_finished(loaded, location, say)
    if manifest is not None:
        return print_result(location, manifest, options)
    check_address(options.address)

    def search(watcher: Watcher) -> Mapping[str, Any]:
        return run_or_resume(loaded, location, address=options.address, watcher=watcher, started=started)

    return perform(location, options, search)


def _default_name(source: str) -> str:
    from datetime import datetime
    from pathlib import Path

    return f"{Path(source).stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def _check_name(name: str) -> None:
    from tuner.errors import Fault, UsageError

    if name in ("", ".", "..") or name.startswith("-") or not name.isprintable() or set(name) & set("/\\?#"):
        message = f"{name!r} cannot be the name of a folder"
        remedy = "use letters, digits, - and _; --runs names the folder that holds the runs"
        raise UsageError([Fault("--name", message, remedy)])
