"""Which nodes and GPUs are left out, decided from the failures there and elsewhere."""

from __future__ import annotations

import pytest

from tuner.trial.place import Place, PlaceHealth

BAD, GOOD, OTHER = Place("bad"), Place("good"), Place("other")


def fail(health: PlaceHealth, *places: Place, is_broken: bool = False, first: int = 100) -> list[Place | None]:
    return [health.failed(place, first + number, is_broken=is_broken) for number, place in enumerate(places)]


@pytest.fixture
def health() -> PlaceHealth:
    return PlaceHealth()


def test_a_node_is_left_out_after_three_failures_in_a_row(health: PlaceHealth) -> None:
    assert fail(health, BAD, BAD, BAD) == [None, None, BAD]


def test_a_success_in_between_makes_the_count_begin_again(health: PlaceHealth) -> None:
    fail(health, BAD, BAD)
    health.measured(BAD, 7)
    assert fail(health, BAD, BAD, first=200) == [None, None]


def test_where_other_nodes_fail_as_often_none_is_left_out(health: PlaceHealth) -> None:
    failures = [node for _ in range(5) for node in (BAD, GOOD, OTHER)]
    assert not any(fail(health, *failures)[: 3 * 3])
    assert not any(fail(PlaceHealth(), *failures[:-3]))


def test_a_trial_that_fails_on_a_second_node_is_to_blame_itself(health: PlaceHealth) -> None:
    for trial in range(20):
        first, second = (BAD, GOOD) if trial % 2 else (GOOD, BAD)
        assert health.failed(first, trial, is_broken=True) is None
        assert health.failed(second, trial, is_broken=True) is None


def test_a_trial_that_fails_again_on_the_same_node_counts_once(health: PlaceHealth) -> None:
    assert [health.failed(BAD, 1, is_broken=True) for _ in range(5)] == [None] * 5


def test_one_of_several_gpus_is_left_out_alone_while_the_others_work(health: PlaceHealth) -> None:
    first, second = Place("n", "0"), Place("n", "1")
    fail(health, first)
    health.measured(second, 1)
    assert fail(health, first, first, first=200) == [None, first]


def test_a_node_is_left_out_as_a_whole_if_several_of_its_gpus_fail(health: PlaceHealth) -> None:
    places = [Place("n", "0"), Place("n", "1"), Place("n", "0")]
    assert fail(health, *places) == [None, None, Place("n")]


def test_a_late_bad_node_costs_three_failures_however_much_has_succeeded(health: PlaceHealth) -> None:
    for trial in range(50):
        health.measured(GOOD, trial)
    health.failed(GOOD, 60, is_broken=False)
    assert fail(health, BAD, BAD, BAD) == [None, None, BAD]


def test_ten_broken_devices_in_a_row_on_the_only_node_are_hopeless_until_a_trial_succeeds(health: PlaceHealth) -> None:
    fail(health, *[BAD] * 9, is_broken=True)
    assert not health.is_hopeless({"bad"})
    fail(health, BAD, is_broken=True, first=200)
    assert health.is_hopeless({"bad"})
    assert not health.is_hopeless({"bad", "good"})
    health.measured(BAD, 7)
    assert not health.is_hopeless({"bad"})


def test_other_failures_are_not_hopeless_because_their_cause_may_be_the_settings(health: PlaceHealth) -> None:
    fail(health, *[BAD] * 30)
    assert not health.is_hopeless({"bad"})
