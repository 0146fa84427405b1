"""What a search settles for `auto`: properties of the plan for any rows, budget and slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.search.sizing import Work, most_epochs, settle
from tuner.search.trial_cost import TrialCost, cost_of_example
from tuner.space.search_settings import SearchSettings

NAMES = ("max_epochs", "grace_epochs", "reports_per_epoch", "finalists", "seeds")
AUTO = {*(f"search.{name}" for name in NAMES), "space.batch_size"}
SEARCH = SearchSettings.model_validate({"time": "5m", **dict.fromkeys(NAMES, "auto")})


def costs_at(batch_size: int | None) -> Sequence[TrialCost]:
    network = {"hidden": 96, "layers": 1, "directions": 2, "embedding": None, "batch_size": batch_size or 64}
    return [cost_of_example(network, 20)]


WORK = Work(rows=5_000, validation_rows=1_000, slots=2, seconds=280.0, trials=None, costs_at=costs_at)
works = st.builds(
    Work,
    rows=st.integers(50, 2_000_000),
    validation_rows=st.integers(20, 500_000),
    slots=st.integers(1, 64),
    seconds=st.one_of(st.none(), st.floats(1, 100_000)),
    trials=st.one_of(st.none(), st.integers(1, 1_000)),
    costs_at=st.just(costs_at),
)


def section(numbers: dict[str, Any]) -> SearchSettings:
    """Return the section with these settings, which checks its rules."""
    own = {name.removeprefix("search."): value for name, value in numbers.items() if name.startswith("search.")}
    return SearchSettings.model_validate({"time": "5m", **own})


def full_run_s(numbers: dict[str, Any], work: Work) -> float:
    (cost,) = work.costs_at(numbers["space.batch_size"])
    reports = numbers["search.max_epochs"] * numbers["search.reports_per_epoch"]
    return float(
        numbers["search.max_epochs"] * work.rows * cost.example_s + reports * work.validation_rows * cost.row_s
    )


@settings(max_examples=50)
@given(works)
def test_a_settled_section_keeps_its_own_rules(work: Work) -> None:
    numbers = settle(SEARCH, AUTO, work)
    assert numbers.keys() == AUTO
    settled = section(numbers)
    assert settled.max_epochs <= most_epochs(work.rows) + 1 / settled.reports_per_epoch


@settings(max_examples=50)
@given(works, st.sampled_from([2.0, 5.0, 40.0]))
def test_more_time_never_gives_shorter_runs(work: Work, factor: float) -> None:
    work = replace(work, seconds=work.seconds or 60.0)
    more = replace(work, seconds=factor * (work.seconds or 60.0))
    less_of, more_of = (section(settle(SEARCH, AUTO, each)).max_epochs for each in (work, more))
    assert more_of >= 0.89 * less_of  # rounded down, and larger batches may be a little slower


@settings(max_examples=50)
@given(works, st.sampled_from(sorted(AUTO)))
def test_what_is_fixed_stays_and_the_rest_is_settled_around_it(work: Work, fixed: str) -> None:
    values = {"max_epochs": 3.5, "grace_epochs": 0.75, "reports_per_epoch": 3, "finalists": 2, "seeds": 3}
    name = fixed.removeprefix("search.")
    written = {"time": "5m", **dict.fromkeys(NAMES, "auto"), **({name: values[name]} if name in values else {})}
    numbers = settle(SearchSettings.model_validate(written), AUTO - {fixed}, work)
    assert numbers.keys() == AUTO - {fixed}
    if name in values:
        assert getattr(section({f"search.{name}": values[name], **numbers}), name) == values[name]


def test_seeds_are_settled_for_the_number_of_finalists_that_is_fixed() -> None:
    fixed = SearchSettings.model_validate(
        {"time": "5m", **dict.fromkeys(NAMES, "auto"), "max_epochs": 3, "finalists": 12}
    )
    auto = AUTO - {"search.max_epochs", "search.finalists"}
    few, many = (settle(fixed, auto, replace(WORK, seconds=seconds)) for seconds in (80.0, 5_000.0))
    assert (few["search.seeds"], many["search.seeds"]) == (1, 4)


@pytest.mark.parametrize("rows", [300, 5_000, 40_000, 200_000])
@pytest.mark.parametrize("slots", [1, 2, 16])
@pytest.mark.parametrize("seconds", [100.0, 280.0, 28_000.0])
def test_at_least_six_full_runs_fit(rows: int, slots: int, seconds: float) -> None:
    work = replace(WORK, rows=rows, validation_rows=rows // 5, slots=slots, seconds=seconds)
    run_s = full_run_s(settle(SEARCH, AUTO, work), work)
    assert slots * int(seconds / run_s) >= 6


def test_few_rows_do_not_train_for_ever_and_many_do_not_have_to_finish_an_epoch() -> None:
    hour = replace(WORK, rows=300, validation_rows=60, seconds=3_500.0)
    assert section(settle(SEARCH, AUTO, hour)).max_epochs == 40
    minutes = replace(WORK, rows=1_000_000, validation_rows=20_000, seconds=280.0)
    assert section(settle(SEARCH, AUTO, minutes)).max_epochs < 1


def test_evaluating_takes_about_a_tenth_of_the_time_of_training() -> None:
    for rows in (2_000, 30_000, 500_000):
        work = replace(WORK, rows=rows, validation_rows=rows // 7, seconds=3_000.0)
        numbers = settle(SEARCH, AUTO, work)
        (cost,) = costs_at(int(numbers["space.batch_size"]))
        share = numbers["search.reports_per_epoch"] * work.validation_rows * cost.row_s / (rows * cost.example_s)
        assert share <= 0.15


def test_batches_grow_with_the_examples_of_a_run() -> None:
    sizes = [
        settle(SEARCH, AUTO, replace(WORK, rows=rows, seconds=3_000.0))["space.batch_size"]
        for rows in (270, 1_000, 4_000, 40_000)
    ]
    assert sizes == [16, 32, 64, 128]


def test_with_a_number_of_trials_instead_of_time_the_rows_alone_decide() -> None:
    work = replace(WORK, seconds=None, trials=12)
    slower = replace(work, costs_at=lambda size: [replace(cost, example_s=1.0) for cost in costs_at(size)])
    numbers = settle(SEARCH, AUTO, work)
    assert numbers["search.max_epochs"] == pytest.approx(most_epochs(work.rows), rel=0.1)
    assert settle(SEARCH, AUTO, slower)["search.max_epochs"] == numbers["search.max_epochs"]
    assert section(numbers).finalists * section(numbers).seeds <= 12
