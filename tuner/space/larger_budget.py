"""The settings that give a search more of what ended it."""

from __future__ import annotations

import math

from tuner.space.search_settings import SearchSettings

_FEWEST_MINUTES = 5  # suggested if the budget was too short for one measurement


def larger_budget(search: SearchSettings, *, ended_by: str, spent_s: float, tried: int = 0) -> tuple[str, ...]:
    """Return overrides that double what ended the search, and the time too if twice the work would not fit into it.

    `ended_by` is "time", "cost", "trials" or "settings", `spent_s` the seconds that the run has taken, and `tried` the number
    of its search trials: they may be used up when the time ends the last of them. Return nothing if all settings have been
    tried: no budget has anything else to try.
    """
    if ended_by == "settings":
        return ()
    are_used_up = search.trials is not None and (ended_by == "trials" or tried >= search.trials)
    needed_s = 2 * max(spent_s, search.seconds if ended_by != "trials" and search.seconds is not None else 0.0)
    more = [f"search.trials={2 * search.trials}"] if search.trials is not None and are_used_up else []
    if search.seconds is None or search.seconds >= needed_s:
        return tuple(more)
    minutes = max(_FEWEST_MINUTES, math.ceil(needed_s / 60))
    if search.time is not None and search.time < needed_s:
        more.append(f"search.time={minutes}m")
    bought_s = 3600 * search.cost / search.cost_per_hour if search.cost and search.cost_per_hour else math.inf
    if search.cost_per_hour and bought_s < needed_s:
        more.append(f"search.cost={search.cost_per_hour * minutes / 60:.3g}")
    return tuple(more)
