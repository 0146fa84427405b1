"""The `tuner` command: every error is told in its own words, without a traceback unless --debug asks for one."""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import click

from tuner import __version__
from tuner.cli import tuner
from tuner.errors import InputError, TunerError
from tuner.signals import handle_sigint

_UNEXPECTED_EXIT_CODE = 1
_INTERRUPTED_EXIT_CODE = 130
_MAX_TOLD = 300  # characters of an unexpected error's own words


class _Outlet(io.FileIO):
    """Standard output or error that drops what nobody reads any more, as after `| head`: the command ends as it would have."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            return len(content)


def main() -> None:
    """Run the command line and exit with its code."""
    handle_sigint()
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    try:
        code = tuner.main(prog_name="tuner", standalone_mode=False)
        sys.stdout.flush()  # here, where an error can still be told
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (every error is told here; a panic in a Rust library is no Exception)
        if "--debug" in sys.argv:
            traceback.print_exc()
        code = _tell(error)
    sys.exit(code or 0)


def _lasting(stream: TextIO | None) -> TextIO:
    """Return a stream to write to that neither what its encoding lacks nor a reader who goes away can end the program by."""
    if stream is None:  # closed by whoever began this program, as `>&-` does
        stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (for as long as the program runs)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    if stream not in (sys.__stdout__, sys.__stderr__):
        return stream  # of whoever calls this from Python, and theirs to end
    outlet = io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        outlet, encoding=stream.encoding, errors=stream.errors, line_buffering=stream.line_buffering
    )


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
