"""What to give a search more of."""

from __future__ import annotations

import pytest

from tuner.space.larger_budget import larger_budget
from tuner.space.search_settings import SearchSettings


@pytest.mark.parametrize(
    ("given", "ended_by", "spent_s", "more"),
    [
        ({"time": 600}, "time", 598.0, ("search.time=20m",)),
        ({"time": 30}, "time", 29.0, ("search.time=5m",)),
        ({"trials": 8}, "trials", 50.0, ("search.trials=16",)),
        ({"trials": 8, "time": 3600}, "trials", 50.0, ("search.trials=16",)),
        ({"trials": 8, "time": 600}, "trials", 500.0, ("search.trials=16", "search.time=17m")),
        ({"cost": 1, "cost_per_hour": 2}, "cost", 1800.0, ("search.cost=2",)),
        ({"time": 1800, "cost": 1, "cost_per_hour": 2}, "time", 1800.0, ("search.time=60m", "search.cost=2")),
        ({"time": 600}, "settings", 100.0, ()),
    ],
)
def test_what_ended_the_search_is_doubled(
    given: dict[str, object], ended_by: str, spent_s: float, more: tuple[str, ...]
) -> None:
    """The time grows too if twice the trials would not fit into it; a space without more settings gets nothing."""
    assert larger_budget(SearchSettings.model_validate(given), ended_by=ended_by, spent_s=spent_s) == more


def test_trials_that_are_used_up_are_doubled_with_the_time_that_cut_the_last_one_short() -> None:
    search = SearchSettings.model_validate({"trials": 2, "time": 60})
    assert larger_budget(search, ended_by="time", spent_s=59.0, tried=1) == ("search.time=5m",)
    assert larger_budget(search, ended_by="time", spent_s=59.0, tried=2) == ("search.trials=4", "search.time=5m")
