"""When failing trials are said, and when they end a search. A node that fails alone is to blame itself."""

from __future__ import annotations

import pytest

from builders.measurements import make_measurement
from tuner.errors import SearchFailed
from tuner.search.failures import FailureWatch
from tuner.trial.ending import Ending
from tuner.trial.order import Order, Stretch
from tuner.trial.record import TrialRecord


def ended(ending: Ending, node: str = "a") -> TrialRecord:
    return TrialRecord(Order(0, "search", {}, 1), node=node, ending=ending, reason="no" if ending == "failed" else "")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watch(said: list[str]) -> FailureWatch:
    return FailureWatch(said.append)


def add(watch: FailureWatch, *, failed: int = 0, well: int = 0, node: str = "a") -> None:
    for ending in [Ending.FAILED] * failed + [Ending.STOPPED] * well:
        watch.add(ended(ending, node))


def judge(watch: FailureWatch, *running: TrialRecord, max_failed: float | None = 0.8) -> None:
    watch.judge(running, max_failed)


def test_ten_failures_and_nothing_else_end_the_search(watch: FailureWatch) -> None:
    add(watch, failed=9)
    judge(watch)
    add(watch, failed=1)
    with pytest.raises(SearchFailed, match=r"^every trial fails, so the search has stopped: 10 failed \(no\)$"):
        judge(watch)


def test_while_a_trial_trains_on_another_node_the_failures_of_one_do_not_end_the_search(watch: FailureWatch) -> None:
    running = TrialRecord(Order(1, "search", {}, 1), node="b", stretch=Stretch(10, 1.0, 5.0))
    add(watch, failed=40)
    judge(watch, running)
    running.node = "a"  # it has moved to the node where all fail, and has measured nothing
    with pytest.raises(SearchFailed, match="every trial fails"):
        judge(watch, running)


def test_a_trial_that_has_been_measured_shows_that_not_all_fail(watch: FailureWatch) -> None:
    add(watch, failed=40)
    judge(watch, TrialRecord(Order(1, "search", {}, 1), node="a", last=make_measurement(0.5)))


@pytest.mark.parametrize(
    ("max_failed", "failed", "is_over"),
    [
        (0.5, 10, False),
        (0.5, 11, True),
        (0.05, 1, False),
        (0.05, 2, True),
        (3, 3, False),
        (3, 4, True),
        (None, 90, False),
    ],
)
def test_more_failures_than_the_space_allows_end_the_search(
    max_failed: float | None, failed: int, is_over: bool, watch: FailureWatch
) -> None:
    add(watch, failed=failed, well=10)
    if not is_over:
        judge(watch, max_failed=max_failed)
        return
    with pytest.raises(
        SearchFailed, match=rf"^{failed} of .* failed.*; this is more than search.max_failed allows.*max_failed=null"
    ):
        judge(watch, max_failed=max_failed)


def test_trials_of_a_node_where_all_fail_do_not_count_if_others_succeed(watch: FailureWatch, said: list[str]) -> None:
    add(watch, failed=90, node="bad")
    add(watch, well=10, node="good")
    judge(watch)
    assert said == []


def test_trials_of_a_node_that_was_left_out_do_not_count(watch: FailureWatch, said: list[str]) -> None:
    add(watch, well=1, node="bad")
    add(watch, failed=90, node="bad")
    add(watch, well=10, node="good")
    watch.leave_out("node bad", "RuntimeError: CUDA error: unspecified launch failure")
    judge(watch)
    assert len(said) == 1
    assert said[0].startswith(
        "warning: node bad is left out, because trials fail there and not elsewhere, the last with:"
    )


def test_more_than_a_tenth_of_failed_trials_is_said_once(watch: FailureWatch, said: list[str]) -> None:
    add(watch, failed=1, well=9)
    judge(watch)
    assert said == []
    for _ in range(2):
        add(watch, failed=1)
        judge(watch)
    assert said == ["warning: 2 of 11 trials failed, which is 18 %: 2 failed (no)"]


def test_a_lost_node_is_said_once(watch: FailureWatch, said: list[str]) -> None:
    for node in ("a", "b", "a"):
        watch.lose(node)
    assert [line.split(" is lost")[0] for line in said] == ["note: node a", "note: node b"]


def test_a_search_in_which_no_trial_can_succeed_any_more_ends_with_the_reason(watch: FailureWatch) -> None:
    watch.give_up("the only GPU is broken")
    with pytest.raises(SearchFailed, match=r"^the only GPU is broken$"):
        judge(watch)
