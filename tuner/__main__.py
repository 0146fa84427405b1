"""The `tuner` command: every error is told in its own words, without a traceback unless --debug asks for one."""

from __future__ import annotations

import io
import os
import sys
import traceback

import click

from tuner import __version__
from tuner.cli import tuner
from tuner.errors import InputError, TunerError

_UNEXPECTED_EXIT_CODE = 1
_INTERRUPTED_EXIT_CODE = 130
_MAX_TOLD = 300  # characters of an unexpected error's own words


def main() -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal's encoding lacks must not end the program
    try:
        code = tuner.main(prog_name="tuner", standalone_mode=False)
        sys.stdout.flush()  # here, where an error can still be told
    except BrokenPipeError:  # the reader of a pipe went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more as it ends
        code = 0
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (every error is told here; a panic in a Rust library is no Exception)
        if "--debug" in sys.argv:
            traceback.print_exc()
        code = _tell(error)
    sys.exit(code or 0)


def _tell(error: BaseException) -> int:
    """Tell an error on stderr; return the exit code that it stands for."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, InputError):
        for fault in error.faults:
            click.echo(f"error: {fault}", err=True)
        return error.exit_code
    if isinstance(error, TunerError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("interrupted", err=True)
        return _INTERRUPTED_EXIT_CODE
    if isinstance(error, OSError):  # as a full disk on stdout: the machine's, not the program's
        click.echo(f"error: {error}; run it again with --debug to see where it comes from", err=True)
        return _UNEXPECTED_EXIT_CODE
    if isinstance(error, MemoryError):
        click.echo(
            "error: there is not enough memory; give fewer or shorter rows, or use a machine with more", err=True
        )
        return _UNEXPECTED_EXIT_CODE
    told = " ".join(f"{type(error).__name__}: {error}".split())
    click.echo(f"error: unexpected {told[:_MAX_TOLD]}", err=True)
    if "--debug" in sys.argv:
        how = "report it with the lines above"
    else:
        how = "run it again with --debug to see where it comes from, and report it with those lines"
    click.echo(f"This is a fault of tuner {__version__}, not of yours: {how}.", err=True)
    return _UNEXPECTED_EXIT_CODE


if __name__ == "__main__":
    main()
