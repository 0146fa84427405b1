"""init: copy a shipped space to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tuner.cli.output import say
from tuner.errors import Fault, UsageError, did_you_mean


@click.command()
@click.argument("name", default="multilabel")
@click.option(
    "--to", "folder", metavar="FOLDER", default="spaces", show_default=True, help="Folder to copy the space to."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(name: str, folder: str, force: bool) -> None:
    """Copy the shipped space NAME to ./spaces, where you can edit it.

    \b
    Example:
      tuner init multilabel
      tuner init binary --to my-spaces
      tuner run my-spaces/binary.yaml --set data.train=my.parquet --set data.label=label --set data.group=null
    """
    from tuner.space.load import shipped_spaces
    from tuner.storage import errors_named

    shipped = shipped_spaces()
    if name not in shipped:
        raise UsageError([Fault("NAME", f"no shipped space is called {name!r}", did_you_mean(name, shipped))])
    if "://" in folder:
        raise UsageError(
            [Fault(f"--to {folder}", "a space can only be copied to a local folder", "name a local folder")]
        )
    target = Path(folder) / f"{name}.yaml"
    with errors_named(str(target), "cannot be written"):
        if target.exists() and not force:
            remedy = "replace it with --force, or copy to another folder with --to"
            raise UsageError([Fault(str(target), "the file already exists", remedy)])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(shipped[name].read_bytes())
    say(f"wrote {target}; next: edit it, then `{shlex.join(['tuner', 'run', str(target)])}`")
