"""The model that a command uses: that of a bundle or a run, or the linear baseline of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.location import locate_model
from tuner.cli.output import say

if TYPE_CHECKING:
    from tuner.cli.predictions import Model


def baseline_options(what: str) -> Callable[[Any], Any]:
    """Add the options that name the baseline of a run, and where its files are now. `what` is what is done with the baseline."""

    def add(command: Any) -> Any:
        moved = click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="With --baseline: where a file of the run is now, as data.train=FILE. Repeatable.",
        )
        named = click.option(
            "--baseline",
            metavar="NAME",
            help=f"{what} the linear baseline of the run, such as tfidf, fitted again on the run's training rows.",
        )
        return named(moved(command))

    return add


def load_model(bundle: str, runs: str, baseline: str | None, overrides: Sequence[str]) -> Model:
    """Return the model of a bundle or a run, or the baseline of a run."""
    if baseline is None:
        from tuner.bundle.model_bundle import load

        if overrides:
            _refuse("--set", "it says where the files of a baseline are, but no --baseline is given", "leave it out")
        return load(locate_model(bundle, runs))

    from tuner.search.baseline_model import fit_baseline
    from tuner.storage import Folder

    location = locate_model(bundle, runs)
    if not Folder.at(location).exists("environment.json"):
        what = f"{bundle} is a bundle, which has only its own model"
        _refuse("--baseline", what, "name the run that made it, which knows its training rows")
    return fit_baseline(location, baseline, say, overrides)


def _refuse(option: str, what: str, remedy: str) -> None:
    from tuner.errors import Fault, UsageError

    raise UsageError([Fault(option, what, remedy)])
