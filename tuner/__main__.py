"""The `tuner` command. It prints every error as a message, and a traceback only with --debug."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from tuner import __version__
from tuner.cli import tuner
from tuner.errors import InputError, SearchInterrupted, TunerError
from tuner.signals import handling_sigint, ignore_sigint

_UNEXPECTED_EXIT_CODE = 1
_INTERRUPTED_EXIT_CODE = 130
_OBJECTS_BETWEEN_COLLECTIONS = 100_000  # with Python's 700, imports take a tenth longer
_MAX_CHARACTERS = 300  # of the message of an unexpected error


class _Outlet(io.FileIO):
    """Standard output or error that drops what it cannot deliver to a closed pipe, for example after `| head`.

    The command then ends as if everything had been read.
    """

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            return len(content)


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    sys.stdout, sys.stderr = _robust(sys.stdout), _robust(sys.stderr)
    with handling_sigint():
        code = _run()
    sys.exit(code)


def _run() -> int:
    """Run the command line and return its exit code."""
    try:
        code = tuner.main(prog_name="tuner", standalone_mode=False)
        sys.stdout.flush()  # an error can still be reported here
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (report every error; a panic in a Rust library is not an Exception)
        ignore_sigint()  # a second Ctrl-C must not change the exit code
        if "--debug" in sys.argv:
            traceback.print_exc()
        code = _print_error(error)
    return code or 0


def _robust(stream: TextIO | None) -> TextIO:
    """Return a stream that survives unencodable characters and a closed pipe."""
    if stream is None:  # closed by the parent process, as `>&-` does
        stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open while the program runs)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    if stream not in (sys.__stdout__, sys.__stderr__):
        return stream  # a Python caller replaced it and will close it
    outlet = io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        outlet, encoding=stream.encoding, errors=stream.errors, line_buffering=stream.line_buffering
    )


def _print_error(error: BaseException) -> int:
    """Print an error to stderr and return its exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        if "unexpected extra argument" in error.message and sum(map(os.path.isfile, sys.argv[1:])) > 1:
            click.echo(
                "The shell puts the names of files in place of a pattern: quote it, as in 'data/*.csv'.", err=True
            )
        _print_mended_command()
        return error.exit_code
    if isinstance(error, InputError):
        for fault in error.faults:
            click.echo(f"error: {fault}", err=True)
        _print_mended_command()
        return error.exit_code
    if isinstance(error, SearchInterrupted):  # the person asked for it, so it is no error
        click.echo(str(error), err=True)
        return error.exit_code
    if isinstance(error, TunerError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("interrupted", err=True)
        return _INTERRUPTED_EXIT_CODE
    if isinstance(error, OSError):  # a fault of the machine, such as a full disk
        click.echo(f"error: {error}; run it again with --debug to see where it comes from", err=True)
        return _UNEXPECTED_EXIT_CODE
    if isinstance(error, MemoryError):
        click.echo("error: there is not enough memory; use fewer or shorter rows, or a machine with more", err=True)
        return _UNEXPECTED_EXIT_CODE
    return _print_unexpected(error)


def _print_mended_command() -> None:
    """If the shell has taken a --set apart, print the command line as it was meant."""
    from tuner.cli.unquoted import mended_command

    command = mended_command(sys.argv[1:])
    if command is not None:
        click.echo(f"The shell has split a value of --set: quote it for the shell:\n  {command}", err=True)


def _print_unexpected(error: BaseException) -> int:
    message = " ".join(f"{type(error).__name__}: {error}".split())
    click.echo(f"error: unexpected {message[:_MAX_CHARACTERS]}", err=True)
    if "--debug" in sys.argv:
        request = "please report it with the lines above"
    else:
        request = "run it again with --debug to see where it comes from, and report it with those lines"
    click.echo(f"This is a bug in tuner {__version__}: {request}.", err=True)
    return _UNEXPECTED_EXIT_CODE


def run_and_leave() -> NoReturn:
    """Run the command line as a process of its own, clean up, and end it at once.

    Python would unload PyTorch and Ray first, which takes a second of a time budget. Everything is written by now.
    """
    code: Any = 1
    try:
        main()
    except SystemExit as error:
        code = error.code
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()  # os._exit does not: multiprocessing would warn of leaked semaphores
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    run_and_leave()
