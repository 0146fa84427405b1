"""Facts about a whole search: how many trials collapsed or diverged, why, and under which settings."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from tuner.analysis.failing_settings import Cell, FailingSettings, find_failing_settings, is_left
from tuner.analysis.trials import TrialFacts
from tuner.diagnosis.facts.evidence import Origin, SearchFacts, SettingShare
from tuner.ledger.run_again import with_settings
from tuner.space.assignment import shell_word
from tuner.space.load import Space


def search_facts(trials: Sequence[TrialFacts], causes: Mapping[int, str], space: Space | None) -> SearchFacts:
    """Sum up the trials of a search. `causes` gives the most likely cause of each faulty trial, by its number.

    The settings with clearly more faulty trials come worst first. Each has the cut of the space that the report page also
    suggests; without a `space` there are no cuts.
    """
    ended = [trial for trial in trials if trial.phase == "search" and trial.ending != "running"]
    return SearchFacts(
        trials=len(ended),
        endings=dict(Counter(trial.ending for trial in ended).most_common()),
        causes=dict(Counter(causes[trial.number] for trial in ended if trial.number in causes).most_common()),
        settings=_shares(ended, space),
    )


def avoid_settings(search: SearchFacts, origin: Origin | None) -> str:
    """Return the command that searches again without the settings that fail; "" if nothing can be left out."""
    settings = list(dict.fromkeys(shlex.split(share.setting)[1] for share in search.settings if share.setting))
    if not settings or origin is None:
        return ""
    return with_settings(origin.run_again, settings)


def _without(cell: Cell, failing: FailingSettings) -> str:
    """Return the option that cuts a failing setting out of the space; "" if the cut of its parameter leaves it in."""
    top = cell.setting.name.split(".")[0]
    if top not in failing.cuts or is_left(cell.setting, failing.cuts):
        return ""
    return f"--set {shell_word(f'space.{top}={failing.cut_values[top]}')}"


def _shares(trials: Sequence[TrialFacts], space: Space | None) -> tuple[SettingShare, ...]:
    failing = find_failing_settings(trials, space)
    shares = [
        SettingShare(
            parameter=cell.setting.name,
            value=cell.setting.shown,
            trials=cell.share.trials,
            faulty=cell.share.lost,
            low=cell.share.low,
            high=cell.share.high,
            rest=cell.others.value,
            setting=_without(cell, failing),
        )
        for cell in failing.cells
        if cell.is_worse
    ]
    return tuple(sorted(shares, key=lambda share: share.rest - share.faulty / share.trials))
