"""init: write a space to edit, from a shipped one or for one's own rows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from tuner.cli.completion import complete_folders, complete_shipped_spaces
from tuner.cli.options import data_option, set_option
from tuner.cli.output import print_table, say, say_sentence
from tuner.errors import Fault, UsageError, did_you_mean


@click.command()
@click.argument("name", required=False, shell_complete=complete_shipped_spaces)
@data_option
@set_option
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    default="spaces",
    show_default=True,
    shell_complete=complete_folders,
    help="Folder to write the space to.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(name: str | None, data: str | None, overrides: tuple[str, ...], folder: str, force: bool) -> None:
    """Copy the shipped space NAME to ./spaces, where you can edit it. Without NAME, list the shipped spaces.

    With --data, write a space for your own rows instead: their columns and task, how to split them, their sizes and
    imbalance, and a budget. It searches what the shipped space for that task searches, or NAME. A NAME that ends in .yaml
    is that of the file to write; with a folder in it, --to is not used.

    \b
    Example:
      tuner init
      tuner init multilabel
      tuner run spaces/multilabel.yaml
      tuner init --data tickets.csv
      tuner init --data tickets.csv --set data.text=body --to my-spaces
    """
    from tuner.space.load import SHIPPED, shipped_spaces

    file_name = None
    if data is not None and name is not None and name.endswith((".yaml", ".yml")):
        parent, slash, file_name = name.rpartition("/")
        name, folder = None, (parent or "/") if slash else folder
    shipped = shipped_spaces()
    name = name.removeprefix(SHIPPED) if name is not None else None
    if data is None and name is None:
        _list_spaces(shipped)
        return
    if name is not None and name not in shipped:
        raise UsageError([Fault("NAME", f"no shipped space is called {name!r}", did_you_mean(name, shipped))])
    target = Path(folder) / (file_name or f"{name if data is None else name_for(data)}.yaml")
    _check_target(folder, target, is_replaced=force)
    if data is None:
        text = _copy(str(name), overrides, target.parent)
        first = "edit it"
    else:
        text = _compose(data, name, overrides, str(target))
        first = f"check it with `{shlex.join(['tuner', 'validate', str(target), '--with-data'])}`"
    _write(target, text)
    say(f"wrote {target}; next: {first}, then `{shlex.join(['tuner', 'run', str(target)])}`")


def _list_spaces(shipped: Mapping[str, Path]) -> None:
    """Print the shipped spaces: name, task, and what their comments begin with."""
    from tuner.space.document import read_document

    rows = []
    for name, path in shipped.items():
        document = read_document(path)
        first = re.search(r"# (.*?[.?])(?=\s)", document.text)
        rows.append({"space": name, "task": document.tree["task"], "about": first[1] if first else ""})
    print_table(rows, ("space", "task", "about"), below=("about",))
    say_sentence("\ncopy one with `tuner init NAME`; for your own rows, use `tuner init --data FILE`")


def name_for(data: str) -> str:
    """Return the name for the space of a file of rows: its own, without what a file's name should not have."""
    from tuner.storage import name_of

    stem = name_of(data).partition(".")[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-") or "rows"


def _check_target(folder: str, target: Path, *, is_replaced: bool) -> None:
    from tuner.storage import errors_named

    if "://" in folder:
        what = "a space can only be written to a local folder"
        raise UsageError([Fault(f"--to {folder}", what, "name a local folder")])
    with errors_named(str(target), "cannot be written"):
        if target.exists() and not is_replaced:
            remedy = "replace it with --force, or write to another folder with --to"
            raise UsageError([Fault(str(target), "the file already exists", remedy)])


def _copy(name: str, overrides: tuple[str, ...], folder: Path) -> str:
    """Return a shipped space with overrides, as it is written to `folder`."""
    from tuner.space.file_settings import paths_for_folder
    from tuner.space.load import SHIPPED, load_space
    from tuner.space.overrides import rewrite

    space = load_space(f"{SHIPPED}{name}", overrides)
    paths = paths_for_folder(space.document, folder)
    return rewrite(space.text, paths) if paths else space.text


def _compose(data: str, name: str | None, overrides: tuple[str, ...], path: str) -> str:
    from tuner.search.own_data import read_own_data
    from tuner.search.own_space import compose_space
    from tuner.space.load import SHIPPED

    own = read_own_data(data, None if name is None else f"{SHIPPED}{name}", overrides, say)
    return compose_space(own, overrides, path, say)


def _write(target: Path, text: str) -> None:
    from tuner.storage import errors_named

    with errors_named(str(target), "cannot be written"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
