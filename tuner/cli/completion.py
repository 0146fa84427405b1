"""Shell completion: names of runs and spaces, files, and the keys of --set. Click writes the script for the shell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

if TYPE_CHECKING:
    from tuner.space.options import Parameter


class _Bash(BashComplete):
    """Click's completion for Bash, without a space after "search.time=", where the value follows."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", "COMPREPLY+=($value); [[ $value == *= ]] && compopt -o nospace"
    )


add_completion_class(_Bash)


def complete_runs(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a run below --runs, or a folder."""
    runs = str(context.params.get("runs") or "runs")
    names = sorted(path.parent.name for path in Path(runs).glob("*/environment.json")) if "://" not in runs else []
    return [CompletionItem(begun, type="dir"), *_matching(names, begun)]


def complete_spaces(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a shipped space, or a file."""
    from tuner.space.load import shipped_spaces

    return [CompletionItem(begun, type="file"), *_matching(shipped_spaces(), begun)]


def complete_shipped_spaces(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a shipped space."""
    from tuner.space.load import shipped_spaces

    return _matching(shipped_spaces(), begun)


def complete_files(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete a file."""
    return [CompletionItem(begun, type="file")]


def complete_folders(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete a folder."""
    return [CompletionItem(begun, type="dir")]


def complete_settings(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the key of a setting."""
    return _matching(dict.fromkeys(f"{key}=" for key in _setting_keys()), begun)


def _setting_keys() -> Iterator[str]:
    from tuner.space.parameters import PARAMETERS
    from tuner.space.sections import SECTIONS

    yield from ("task", "first")
    for section, settings in SECTIONS.items():
        yield from (f"{section}.{name}" for name in settings.model_fields)
    for parameters in PARAMETERS.values():
        yield from _parameter_keys(parameters, "space")


def _parameter_keys(parameters: Mapping[str, Parameter], above: str) -> Iterator[str]:
    from tuner.space.options import Options

    for name, parameter in parameters.items():
        yield f"{above}.{name}"
        for option, body in parameter.options.items() if isinstance(parameter, Options) else ():
            yield from _parameter_keys(body.parameters, f"{above}.{name}.{option}")


def _matching(names: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]
