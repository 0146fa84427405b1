"""ls: list runs."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuner.cli.location import name_damage
from tuner.cli.options import format_option, runs_option
from tuner.cli.output import Format, print_rows, print_table, say
from tuner.show_value import show_duration, show_moment

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run

_COLUMNS = ("name", "status", "verdict", "test_macro_f1", "trials", "seconds", "started_at")
_SHOWN = ("name", "status", "verdict", "test_macro_f1", "trials", "took", "started")
_DROP = ("trials", "took", "verdict", "started", "test_macro_f1")  # the order in a narrow terminal
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@click.command()
@runs_option
@format_option
@click.pass_context
def ls(context: click.Context, runs: str, format_: Format) -> None:
    """List runs, the newest first, with their status, verdict and macro-F1 on test.

    The table shows how long each run took, and when it started in local time. JSON and CSV have seconds, and the time with its
    zone. A run that a process works on is running. Runs that cannot be read are listed last, and notes say why.

    \b
    Example:
      tuner ls --format csv
    """
    from tuner.errors import Fault, UsageError
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder, join

    folder = Folder.at(runs)
    rows = folder.map(lambda name: _read_row(name, join(runs, name)), list_runs(runs))
    for row in rows:
        if "note" in row:
            say(f"note: {row.pop('note')}")
    is_named = context.get_parameter_source("runs") is not ParameterSource.DEFAULT
    if not rows and is_named and not folder.exists():
        message = "there is no such folder"
        raise UsageError([Fault(f"--runs {runs}", message, "check the path, or leave it out for ./runs")])
    if not rows:
        place = ["--runs", runs] if is_named else []
        say(f"no runs in {runs}; start one with `{shlex.join(['tuner', 'run', 'multilabel', *place])}`")
    rows.sort(key=lambda row: _started(row) or _LONG_AGO, reverse=True)
    if format_ == "table":
        now = datetime.now().astimezone()
        print_table([_for_people(row, now) for row in rows], _SHOWN, drop=_DROP)
    else:
        print_rows(rows, _COLUMNS, format_)


def _read_row(name: str, location: str) -> dict[str, Any]:
    """Return the row of a run. If it cannot be read, for example because it is of another version, a note says why."""
    from tuner.errors import InputError
    from tuner.ledger.run_directory import read_run

    try:
        with name_damage(location):
            return _row(name, read_run(location))
    except InputError as error:
        return {"name": name, "status": "unreadable", "note": str(error)}


def _row(name: str, run: Run) -> dict[str, Any]:
    from tuner.ledger.run_directory import current_status

    return {
        "name": name,
        "status": current_status(run),
        "verdict": run.champion.get("verdict"),
        "test_macro_f1": run.champion.get("test", {}).get("macro_f1"),
        "trials": sum(row["phase"] == "search" for row in run.trials),
        "seconds": run.manifest.get("seconds"),
        "started_at": run.environment.get("started_at"),
    }


def _started(row: dict[str, Any]) -> datetime | None:
    """Return when a run started, or None if its record does not say. A time without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(str(row.get("started_at")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _for_people(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    seconds, started = row.get("seconds"), _started(row)
    return {
        **row,
        "took": None if seconds is None else show_duration(seconds),
        "started": None if started is None else show_moment(started, now),
    }
