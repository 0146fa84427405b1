"""run, plan: a search, and what it would do."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.output import Format, format_option, print_json, print_rows, say
from tuner.cli.runs import locate_run, needed_to_resume, print_run, runs_option
from tuner.cli.spaces import set_option, source_line
from tuner.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from tuner.scoring.verdict import Requirement
    from tuner.space.load import Space

_UNMET_EXIT_CODE = 3
_ANSWER_WITHIN_S = 10.0
_LAST_PORT = 65_535


address_option = click.option(
    "--address", metavar="ADDRESS", help="Join the Ray cluster there ('auto', or HOST:PORT) instead of this machine."
)

require_option = click.option(
    "--require",
    type=click.Choice(["better_than_constant", "beats_baselines"]),
    help="End with 3 unless the verdict on the champion says so.",
)


@click.command()
@click.argument("space")
@click.option("--name", help="Name of the run; without it the space's name and the time.")
@set_option
@address_option
@runs_option
@require_option
@format_option
def run(
    space: str,
    name: str | None,
    overrides: tuple[str, ...],
    address: str | None,
    runs: str,
    require: Requirement | None,
    format_: Format,
) -> int:
    """Search SPACE and hand back one tested champion.

    SPACE is a file; where there is none of that name, spaces/multilabel.yaml or multilabel mean the shipped space. Ends with
    0 if the search finished, whatever its verdict; 1 if it failed; 2 if the space or the data cannot be used; 3 if it
    finished but does not meet --require; 130 if interrupted.

    \b
    Example:
      tuner run spaces/multilabel.yaml
      tuner run spaces/multilabel.yaml --require beats_baselines
      tuner run multilabel --name tickets --set data.train=tickets.parquet --set data.group=null --set search.time=30m
      tuner run binary --set data.train=mail.csv --set data.text=body --set data.label=is_spam --set data.group=null
    """
    started = time.monotonic()
    # From here on, for Ray takes seconds to import and data to be read.
    click.get_current_context().with_resource(sigterm_as_interrupt())
    from tuner.space.load import load_space
    from tuner.storage import Folder, join

    if name is not None:
        _check_name(name)
    if address is not None:
        _check_address(address)
    loaded = load_space(space, overrides)
    say(source_line(loaded.source, loaded.is_shipped))
    location = join(runs, name or _default_name(loaded.source))
    say(f"run: {location}")
    Folder.at(location).check_writable()  # a search of hours must not find this out at its end

    with _going_on_told(location, address):
        from tuner.cli.progress import watching
        from tuner.search.run import run_search

        with watching() as watcher:
            manifest = run_search(loaded, location, address=address, watcher=watcher, started=started)
    return _tell_result(location, manifest, format_, require)


@click.command()
@click.argument("run")
@set_option
@address_option
@runs_option
@require_option
@format_option
def resume(
    run: str,
    overrides: tuple[str, ...],
    address: str | None,
    runs: str,
    require: Requirement | None,
    format_: Format,
) -> int:
    """Go on with a RUN that was interrupted, failed or died, as if nothing had happened.

    Trials that ended stay as they are, those that were running go on from their last checkpoints. The space, the data and
    tuner must be those that the run began with; --set may change search.time, search.cost, search.cost_per_hour,
    search.trials, search.trial_timeout and resources.concurrent. Does nothing if the run is finished. Ends with the
    exit codes of `tuner run`.

    RUN is a name, or the path of a run's directory.

    \b
    Example:
      tuner resume multilabel-20261121-0905
      tuner resume multilabel-20261121-0905 --set search.time=2h
    """
    # From here on, for Ray takes seconds to import and data to be read.
    click.get_current_context().with_resource(sigterm_as_interrupt())
    from tuner.ledger.run_directory import read_run
    from tuner.storage import Folder

    if address is not None:
        _check_address(address)
    location = locate_run(run, runs)
    begun = read_run(location)
    if begun.status == "finished":
        if overrides:  # which are told to be wrong here too
            from tuner.search.resume import resumed_space

            resumed_space(begun, overrides, lambda _: None)
        say(f"{location} is finished: there is nothing to go on with, and nothing has changed")
        return _tell_result(location, begun.manifest, format_, require)
    say(f"run: {location}")
    Folder.at(location).check_writable()

    with _going_on_told(location, address):
        from tuner.cli.progress import watching
        from tuner.search.run import resume_search

        with watching() as watcher:
            manifest = resume_search(location, overrides, address=address, watcher=watcher)
    return _tell_result(location, manifest, format_, require)


@contextmanager
def _going_on_told(location: str, address: str | None) -> Iterator[None]:
    """Let whatever ends a search that has begun say how to go on with it."""
    from tuner.errors import SearchFailed, SearchInterrupted
    from tuner.storage import Folder

    try:
        yield
    except (SearchInterrupted, KeyboardInterrupt):  # the latter before the search, and again while it is ended
        if not Folder.at(location).exists("environment.json"):
            raise
        raise SearchInterrupted(f"interrupted; {_how_to_go_on(location, address, has_failed=False)}") from None
    except SearchFailed as error:
        if not Folder.at(location).exists("environment.json"):
            raise
        raise SearchFailed(f"{error}\n{_how_to_go_on(location, address, has_failed=True)}") from error


def _how_to_go_on(location: str, address: str | None, *, has_failed: bool) -> str:
    from tuner.errors import InputError
    from tuner.ledger.run_directory import read_run

    try:
        needed = needed_to_resume(read_run(location))
    except InputError:  # the storage may be what has ended the search
        needed = []
    command = ["tuner", "resume", location, *needed, *(["--address", address] if address is not None else [])]
    kept = f"what had finished is kept: `{shlex.join(['tuner', 'show', location])}`. To go on: `{shlex.join(command)}`"
    return f"{kept}, when the cause is gone" if has_failed and not needed else kept


def _tell_result(location: str, manifest: Mapping[str, Any], format_: Format, requirement: Requirement | None) -> int:
    """Print the finished run and return the exit code: 0, or 3 where the verdict does not meet the requirement."""
    from tuner.scoring.verdict import meets
    from tuner.space.load import read_space

    run = print_run(location, format_)
    _say_next(location, read_space(run.space))
    verdict = manifest["verdict"]
    if requirement is None or meets(verdict, requirement):
        return 0
    say(f"\n--require {requirement} is not met: the verdict is {verdict}")
    return _UNMET_EXIT_CODE


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


def _check_name(name: str) -> None:
    from tuner.errors import Fault, UsageError

    if name in ("", ".", "..") or name.startswith("-") or not name.isprintable() or set(name) & set("/\\?#"):
        told = f"{name!r} is no name of one folder"
        raise UsageError([Fault("--name", told, "use letters, digits, - and _; --runs says where the folder lies")])


def _check_address(address: str) -> None:
    """Raise UsageError where nobody listens at HOST:PORT: Ray would try for a quarter of an hour. Else Ray is the judge."""
    import socket

    from tuner.errors import Fault, UsageError

    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_WITHIN_S).close()
    except (OSError, UnicodeError) as error:
        told = f"nothing answers at {address!r} ({getattr(error, 'strerror', None) or error})"
        remedy = "check it with `ray status` on the cluster's head, or leave --address out to run on this machine"
        raise UsageError([Fault("--address", told, remedy)]) from error


def _say_next(location: str, space: Space) -> None:
    run = shlex.quote(location)
    column = f"column {(space.data.sequence or space.data.text)!r}"
    commands = {
        f"tuner report {run} --open": "all the evidence on one page",
        f"tuner diagnose {run}": "whether it has collapsed, and why",
        f"tuner predict {run} DATA --out preds.parquet": f"the champion on your rows ({column})",
        f"tuner evaluate {run} DATA": "the champion on rows with labels",
    }
    width = max(map(len, commands))
    say("\nnext:")
    for command, what in commands.items():
        say(f"  {command:<{width}}   {what}")
