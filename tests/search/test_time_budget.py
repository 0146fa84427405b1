"""How much time finalists and closing need, and how many finalists fit into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import SpaceError
from tuner.search.reading import measure_closing_work
from tuner.search.time_budget import (
    ClosingWork,
    TimeBudget,
    affordable,
    closing_seconds,
    finalists_seconds,
    makespan,
    making_way_s,
    refuse_spent_time,
)
from tuner.search.trial_records import TrialRecords
from tuner.space.load import load_space
from tuner.trial.order import pause_s

SMALL = ClosingWork(validation=1_000, test=1_000, labels=5, fitting_s=0.2)
LARGE = ClosingWork(validation=150_000, test=150_000, labels=3, fitting_s=25.0)

seconds_lists = st.lists(st.floats(0.1, 100), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("jobs", "slots", "expected"), [([3, 2, 2], 1, 7), ([3, 2, 2], 2, 4), ([3, 2, 2], 5, 3), ([], 2, 0)]
)
def test_the_longest_jobs_start_first(jobs: list[float], slots: int, expected: float) -> None:
    assert makespan(jobs, slots) == expected


@given(seconds_lists, st.integers(1, 6))
def test_a_makespan_lies_between_its_bounds(jobs: list[float], slots: int) -> None:
    lower = max(max(jobs), sum(jobs) / slots)
    upper = sum(jobs) / slots + (1 - 1 / slots) * max(jobs)  # Graham 1966, for jobs in any order
    assert lower - 1e-9 <= makespan(jobs, slots) <= upper + 1e-9


def test_no_finalists_need_no_time() -> None:
    assert finalists_seconds([], seeds=3, slots=2) == 0


@given(seconds_lists, st.integers(1, 4), st.integers(1, 4), st.floats(0, 500))
def test_affordable_finalists_fit_or_there_is_one_with_a_seed_per_slot(
    full_runs: list[float], seeds: int, slots: int, seconds: float
) -> None:
    finalists, kept = affordable(full_runs, seeds=seeds, slots=slots, seconds=seconds)
    assert 1 <= finalists <= len(full_runs)
    assert 1 <= kept <= seeds
    least = (1, min(seeds, slots))
    assert (finalists, kept) == least or finalists_seconds(full_runs[:finalists], seeds=kept, slots=slots) <= seconds
    assert finalists == len(full_runs) or kept == 1 or (finalists, kept) == least  # seeds are dropped before finalists


def test_runs_that_finalists_have_already_need_no_time() -> None:
    assert finalists_seconds([10, 10], seeds=2, slots=1, done=[2, 1]) == finalists_seconds([10], seeds=1, slots=1)
    assert finalists_seconds([10, 10], seeds=1, slots=1, done=[2, 3]) == 0
    assert affordable([10, 10], seeds=2, slots=1, seconds=15) == (1, 1)
    assert affordable([10, 10], seeds=2, slots=1, seconds=15, done=[2, 1]) == (2, 2)


def test_a_run_that_is_given_more_reserves_at_most_half_of_that(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "task: binary\ndata: {train: rows.csv, label: label}\nsearch: {time: 100s}\nspace: {hidden: 8}\n"
    )
    budget = TimeBudget(
        space=load_space(str(tmp_path / "space.yaml")),
        clock=lambda: 60.0,
        slots=1,
        budget_examples=1000,
        closing_work=replace(LARGE, test=10**9),
    )
    given_more = replace(budget, begun_s=60.0)
    assert not given_more.is_search_over(TrialRecords())
    assert given_more.reserve_s(TrialRecords()) == given_more.closing_s(TrialRecords()) == 20


@pytest.mark.parametrize(("work", "least", "most"), [(SMALL, 3, 5), (LARGE, 60, 300), (ClosingWork(), 3, 3)])
def test_closing_takes_longer_with_more_rows_and_labels(work: ClosingWork, least: float, most: float) -> None:
    assert least <= closing_seconds(work, finalists=2, seeds=2, predict_s=1e-4) <= most


def test_with_folds_the_champion_predicts_the_test_rows_only() -> None:
    both, test = (replace(LARGE, are_validation_rows_predicted=is_so) for is_so in (True, False))
    seconds = [closing_seconds(each, finalists=1, seeds=1, predict_s=1e-3) for each in (both, test)]
    assert seconds[0] - seconds[1] == pytest.approx(150)


# --- how much closing has to process ------------------------------------------------------------------------------------


def closing_work(folder: Path, dataset: Any, tokens: str) -> Any:
    space = folder / "space.yaml"
    inputs = f"text: text, labels: labels}}\nsearch: {{trials: 1}}\nspace: {{tokens: {tokens}}}\n"
    space.write_text(f"task: multilabel\ndata: {{train: rows.csv, {inputs}")
    return measure_closing_work(dataset, load_space(str(space)))


def test_the_slowest_tokeniser_of_the_space_sets_the_fitting_time(tmp_path: Path, make_dataset: Any) -> None:
    dataset = make_dataset("multilabel")
    characters = sum(map(len, dataset.train.inputs))
    work = closing_work(tmp_path, dataset, "[word, bpe]")
    assert (work.validation, work.test, work.labels) == (48, 48, 3)
    assert work.fitting_s == pytest.approx(characters * 1.6e-6)
    assert closing_work(tmp_path, dataset, "character").fitting_s < work.fitting_s


def test_with_folds_closing_predicts_only_the_test_rows(tmp_path: Path, make_dataset: Any) -> None:
    assert not closing_work(tmp_path, make_dataset("multilabel", folds=3), "word").are_validation_rows_predicted


# --- too little time ----------------------------------------------------------------------------------------------------


def test_time_that_is_spent_before_the_search_is_refused_with_a_setting(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("task: binary\ndata: {train: a.csv, label: b}\nsearch: {time: 5s}\n")
    space = load_space(str(tmp_path / "space.yaml"))
    refuse_spent_time(space, 4.9)
    with pytest.raises(
        SpaceError, match=r"allows 5 s, but reading the data and starting Ray took 9 s.*--set search.time=5m"
    ):
        refuse_spent_time(space, 9.0)


def test_of_many_trials_each_pauses_less_often_and_is_given_longer_to_make_way() -> None:
    assert pause_s(2) == pause_s(100) == 0.5
    assert 1000 / pause_s(1000) <= 1000 / 4  # pauses a second, for a driver that takes a millisecond for each
    assert making_way_s(1000) - making_way_s(2) == pause_s(1000) - pause_s(2)
