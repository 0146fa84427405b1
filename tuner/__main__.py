"""The `tuner` command: every error that is a person's to mend is told in its own words, without a traceback."""

from __future__ import annotations

import sys

import click

from tuner.cli import tuner
from tuner.errors import InputError, TunerError


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = tuner.main(prog_name="tuner", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except InputError as error:
        for fault in error.faults:
            click.echo(f"error: {fault}", err=True)
        code = error.exit_code
    except TunerError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        code = 130
    except BrokenPipeError:  # the reader of a pipe went away, as `| head` does
        sys.stderr.close()
        code = 0
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
