"""A sample of the faults that come from nodes, storage and trials themselves, caused in real searches.

`scripts/bench faults` causes all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import nodes, storage, trials
from faults.search import Outcome

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def nothing_is_lost(outcome: Outcome) -> bool:
    return (outcome.lost, outcome.repeated) == (0, 0) and outcome.times > 0


def test_trials_of_a_lost_node_go_on_from_their_checkpoints_on_the_one_that_comes_back(tmp_path: Path) -> None:
    assert nothing_is_lost(nodes.lose_nodes(tmp_path, (True,), seed=0))


def test_a_full_disk_stops_the_search_with_one_message_and_room_on_it_lets_it_go_on(tmp_path: Path) -> None:
    try:
        outcome = storage.disk_full(tmp_path, seed=0)
    except storage.NoDiskError as error:
        pytest.skip(f"this user may not mount a disk: {error}")
    assert nothing_is_lost(outcome)


def test_a_trial_that_hangs_is_given_up_and_its_process_is_gone(tmp_path: Path) -> None:
    assert max(trials.hang_once(tmp_path, seed=0).seconds) < 30


def test_trials_out_of_memory_are_tried_again_alone_and_fail_with_the_reason(tmp_path: Path) -> None:
    assert trials.out_of_memory(tmp_path, seed=0).notes["failed"] > 0


def test_a_loss_that_is_not_finite_is_told_with_the_step_and_the_settings(tmp_path: Path) -> None:
    assert trials.diverged(tmp_path, seed=0).times > 0


def test_a_search_of_which_every_trial_fails_stops_early_and_goes_on_when_the_cause_is_gone(tmp_path: Path) -> None:
    assert trials.every_trial_fails(tmp_path, seed=0).notes["tried"] < 20


def test_a_budget_in_money_ends_the_search_in_time_for_its_finalists(tmp_path: Path) -> None:
    assert "completed" in trials.cost_budget(tmp_path, seed=0).notes["finalists"]
