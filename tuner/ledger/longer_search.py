"""The commands that go on with a run: one that has not finished, or one that is given more time or more trials."""

from __future__ import annotations

import shlex

from tuner.ledger.extensions import count_tried
from tuner.ledger.run_directory import Run
from tuner.space.assignment import as_words
from tuner.space.larger_budget import larger_budget
from tuner.space.load import read_space
from tuner.space.search_settings import SearchSettings


def command_to_search_longer(run: Run) -> str | None:
    """Return the command, ready to paste: "tuner resume runs/first --set search.time=20m".

    None if the run has not finished, or if it has tried every setting of its space, so that a larger budget would change
    nothing.
    """
    if run.status != "finished":
        return None
    ended_by = str(run.manifest.get("ended_by", "time"))
    search = read_space(run.space).search
    spent_s = float(run.manifest["seconds"])
    return longer_search(run.location, search, ended_by=ended_by, spent_s=spent_s, tried=count_tried(run.trials))


def longer_search(location: str, search: SearchSettings, *, ended_by: str, spent_s: float, tried: int) -> str | None:
    """Return the same command for a run at `location`; the rest are the arguments of `larger_budget`."""
    settings = larger_budget(search, ended_by=ended_by, spent_s=spent_s, tried=tried)
    return shlex.join(["tuner", "resume", location, *as_words(settings)]) if settings else None


def command_to_resume(run: Run) -> str:
    """Return the command, ready to paste, that goes on with a run that has not finished."""
    return shlex.join(["tuner", "resume", run.location, *resume_options(run)])


def resume_options(run: Run) -> list[str]:
    """Return the options that a resumed run needs: a larger budget, if the first one was too small."""
    settings = run.manifest.get("resume_with") or []
    settings = [settings] if isinstance(settings, str) else settings  # runs of 0.1.0 have one
    return as_words(map(str, settings))
