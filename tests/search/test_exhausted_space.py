"""A search of a space with few settings: each is tried once, then the finalists follow.

Queue, ledger, sampler and scheduler are real. A worker's measurements are computed from the configuration.
"""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.processes import SPACE, Driver, Killed
from tuner.ledger.run_directory import read_run

Begin = Callable[..., Driver]


def write_space(folder: Path, settings_: str, limits: str = "trials: 14") -> None:
    """Write a space whose first trials neither collapse nor diverge, thanks to its seed."""
    head, _, _ = SPACE.replace("trials: 14", limits).replace("seed: 3", "seed: 1").partition("space:")
    (folder / "space.yaml").write_text(f"{head}space: {{{settings_}}}\n")


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Return a function that begins a search, or resumes it if there is one."""

    def make(settings_: str = "hidden: [16, 32]", limits: str = "trials: 14") -> Driver:
        write_space(tmp_path, settings_, limits)
        return Driver(tmp_path / "run", is_first=not (tmp_path / "run").exists(), events=None)

    return make


def phases(folder: Path) -> Counter[str]:
    return Counter(row["phase"] for row in read_run(folder / "run").trials)


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
@pytest.mark.parametrize("limits", ["trials: 14", "trials: 2", "time: 10h"])
def test_each_setting_is_tried_once_and_the_finalists_follow(
    limits: str, algorithm: str, begin: Begin, tmp_path: Path
) -> None:
    process = begin(limits=f"{limits}, algorithm: {algorithm}")
    process.run({})
    assert phases(tmp_path) == {"search": 2, "finalist": 4}
    assert process.queue.ended_by == "settings"
    assert process.said == []


def test_a_limit_below_the_number_of_settings_ends_the_search_as_before(begin: Begin, tmp_path: Path) -> None:
    process = begin("hidden: [8, 16, 32]", "trials: 2")
    process.run({})
    assert phases(tmp_path)["search"] == 2
    assert process.queue.ended_by == "trials"


@pytest.mark.parametrize(
    ("space", "limits", "note"),
    [
        ("hidden: [16, 32]", "trials: 14", "finalists: 2 × 2 seeds instead of 3 × 2, because the space has only 2 settings"),
        ("hidden: 16", "trials: 1", "finalists: 1 × 2 seeds instead of 3 × 2, because the space has only 1 setting"),
        ("hidden: [8, 16, 32]", "trials: 2", "finalists: 2 × 2 seeds instead of 3 × 2, because the search tried only 2 settings"),
    ],
)  # fmt: skip
def test_too_few_settings_for_the_finalists_are_named_as_the_reason(
    space: str, limits: str, note: str, begin: Begin, tmp_path: Path
) -> None:
    write_space(tmp_path, space, limits)
    text = (tmp_path / "space.yaml").read_text()
    (tmp_path / "space.yaml").write_text(text.replace("finalists: 2", "finalists: 3"))
    process = Driver(tmp_path / "run", is_first=True, events=None)
    process.run({})
    assert process.said == [note]


def test_running_trials_count_and_the_finalists_wait_for_them(begin: Begin) -> None:
    process = begin()
    first, second = process.queue.next_order(), process.queue.next_order()
    assert first is not None
    assert second is not None
    assert process.queue.next_order() is None
    assert not process.queue.is_done()
    for order in (first, second):
        process.queue.started(order)
        process.train(order, {})
    finalist = process.queue.next_order()
    assert finalist is not None
    assert finalist.phase == "finalist"


def test_the_state_shows_how_many_trials_there_will_be(begin: Begin) -> None:
    process = begin()
    process.queue.next_order()
    snapshot = process.queue.snapshot()
    assert (snapshot.asked, snapshot.limit) == (1, 2)


def test_a_setting_that_failed_is_not_tried_again(begin: Begin, tmp_path: Path) -> None:
    process = begin()
    order = process.queue.next_order()
    assert order is not None
    process.queue.started(order)
    process.queue.ended(order, "failed", "its worker died 3 times")
    process.run({})
    assert phases(tmp_path)["search"] == 2


def test_a_setting_that_the_budget_cut_off_before_a_measurement_is_tried_again(begin: Begin, tmp_path: Path) -> None:
    first = begin()
    order = first.queue.next_order()
    assert order is not None
    first.queue.ended(order, "cut short", "the budget was over before it began")
    first.die()
    second = begin()
    second.run({})
    searched = [row for row in read_run(tmp_path / "run").trials if row["phase"] == "search"]
    assert len(searched) == 3
    assert len({row["configuration"] for row in searched if row["score"] is not None}) == 2


def test_a_finished_search_of_all_settings_stays_as_it_is_when_resumed(begin: Begin, tmp_path: Path) -> None:
    first = begin()
    first.run({})
    first.die()
    again = begin(limits="trials: 20")
    assert again.queue.is_done()
    assert again.queue.ended_by == "settings"
    assert phases(tmp_path) == {"search": 2, "finalist": 4}


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=3))
def test_a_search_of_few_settings_that_is_killed_anywhere_ends_the_same(kills: list[int]) -> None:
    undisturbed = _outcome_of_nine_settings()
    assert len({row[1] for row in undisturbed.values() if row[0] == "search"}) == 9
    assert _outcome_of_nine_settings(*kills) == undisturbed


@functools.cache
def _outcome_of_nine_settings(*kills: int) -> dict[int, tuple[Any, ...]]:
    """Return how a search of nine settings ends that is killed after so many events, once for each of `kills`."""
    with tempfile.TemporaryDirectory() as name:
        folder, checkpoints = Path(name), dict[int, int]()
        write_space(folder, "hidden: [8, 16, 32], clipping: [none, {norm: {threshold: [1, 2]}}]")
        for number, events in enumerate([*kills, None]):
            process = Driver(folder / "run", is_first=number == 0, events=events)
            with suppress(Killed):
                process.run(checkpoints)
            process.die()
        rows = read_run(folder / "run").trials
        return {row["trial"]: (row["phase"], row["configuration"], row["ending"], row["score"]) for row in rows}
