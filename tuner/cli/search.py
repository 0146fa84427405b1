"""Shared by run and resume: their options, the search with its progress, and how it ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.head_watch import find_endpoint, watching_head, why_silent
from tuner.cli.options import Command, format_option, runs_option, set_option
from tuner.cli.output import Format, say
from tuner.cli.run_summary import print_run

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run
    from tuner.scoring.verdict import Requirement
    from tuner.search.watcher import Watcher

_UNMET_EXIT_CODE = 3

address_option = click.option(
    "--address",
    metavar="ADDRESS",
    help="Join the Ray cluster at this address ('auto', or HOST:PORT). Default: run on this machine.",
)
require_option = click.option(
    "--require",
    type=click.Choice(["better_than_constant", "beats_baselines"]),
    help="Exit with code 3 unless the champion's verdict is at least this good.",
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The values of the options that `search_options` adds."""

    overrides: tuple[str, ...]
    address: str | None
    runs: str
    require: Requirement | None
    format_: Format


def search_options(command: Command) -> Command:
    """Add the options that run and resume share."""
    for option in (format_option, require_option, runs_option, address_option, set_option):
        command = option(command)
    return command


def perform(location: str, options: SearchOptions, search: Callable[[Watcher], Mapping[str, Any]]) -> int:
    """Run a search that returns its manifest, show its progress and its result, and return the exit code."""
    from tuner.storage import Folder

    say(f"run: {location}")
    Folder.at(location).check_writable()  # find out now, not after hours of search
    with say_how_to_resume(location, options.address, options.overrides):
        from tuner.cli.progress import watching

        with watching_head(options.address, lambda: _after_lost_head(location, options)), watching() as watcher:
            manifest = search(watcher)
    return print_result(location, manifest, options)


def print_result(location: str, manifest: Mapping[str, Any], options: SearchOptions) -> int:
    """Print a finished run and return the exit code: 0, or 3 if the verdict misses --require."""
    from tuner.scoring.verdict import meets

    run = print_run(location, options.format_)
    say_next_steps(run)
    verdict = manifest["verdict"]
    if options.require is None or meets(verdict, options.require):
        return 0
    say(f"\n--require {options.require} is not met: the verdict is {verdict}")
    return _UNMET_EXIT_CODE


@contextmanager
def say_how_to_resume(location: str, address: str | None, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Say how to resume in the error that ends a search, if the search has a run directory already."""
    from tuner.errors import SearchFailed, SearchInterrupted

    try:
        yield
    except (SearchInterrupted, KeyboardInterrupt):  # KeyboardInterrupt comes before the search, or again while it ends
        if not _has_begun(location):
            raise
        raise SearchInterrupted(
            f"interrupted; {_how_to_resume(location, address, overrides, has_failed=False)}"
        ) from None
    except SearchFailed as error:
        if not _has_begun(location):
            raise
        raise SearchFailed(f"{error}\n{_how_to_resume(location, address, overrides, has_failed=True)}") from error


def _after_lost_head(location: str, options: SearchOptions) -> str:
    if not _has_begun(location):
        return "nothing has been written yet"
    return _how_to_resume(location, options.address, options.overrides, has_failed=True)


def _has_begun(location: str) -> bool:
    """Return whether there is a run to resume. If the storage does not answer, it may be what ended the search."""
    from tuner.errors import StorageError
    from tuner.storage import Folder

    try:
        return Folder.at(location).exists("environment.json")
    except StorageError:
        return True


def _how_to_resume(location: str, address: str | None, overrides: Sequence[str], *, has_failed: bool) -> str:
    from tuner.errors import InputError
    from tuner.ledger.longer_search import resume_options
    from tuner.ledger.run_directory import read_run
    from tuner.space.assignment import as_words

    needed, kept = list[str](), "finished work is kept"
    try:
        run = read_run(location)
        needed = resume_options(run)
        if run.status == "finished":  # it was to be given more, which had not begun
            needed, kept = as_words(overrides), "the run is as it was"
        elif run.is_being_extended:
            kept += ", and so is the earlier champion"
    except InputError:  # the storage itself may have ended the search
        pass
    command = ["tuner", "resume", location, *needed, *(["--address", address] if address is not None else [])]
    when = "Once the cause is fixed, resume" if has_failed and not needed else "Resume"
    show = shlex.join(["tuner", "show", location])
    return f"{kept}: `{show}`. {when} with `{shlex.join(command)}`"


def say_next_steps(run: Run) -> None:
    """Print what to do next with a run, with commands ready to paste. The page says the same."""
    from tuner.analysis.next_steps import NextStep, next_steps

    page = NextStep("See all the evidence on one page.", shlex.join(["tuner", "report", run.location, "--open"]))
    say("\nnext:")
    for step in (*next_steps(run), page):
        say(f"  {step.sentence}\n    {step.command}")


def check_address(address: str | None) -> None:
    """Raise UsageError if nothing listens at HOST:PORT, because Ray would keep trying for 15 minutes.

    Leave any other form of address to Ray.
    """
    from tuner.errors import Fault, UsageError

    endpoint = find_endpoint(address)
    if endpoint is not None and (problem := why_silent(*endpoint)) is not None:
        message = f"nothing answers at {address!r} ({problem})"
        remedy = (
            "check it with `ray status` on the cluster's head node; without --address, `tuner run` uses this machine"
        )
        raise UsageError([Fault("--address", message, remedy)])
