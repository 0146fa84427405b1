"""Some of the faults of nodes, storage and trials, caused in real searches.

`scripts/bench faults` causes all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import nodes, storage, trials
from faults.search import FaultOutcome

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def nothing_is_lost(outcome: FaultOutcome) -> bool:
    return (outcome.lost, outcome.repeated) == (0, 0) and outcome.times > 0


def test_trials_of_a_lost_node_go_on_from_their_checkpoints_on_the_node_that_replaces_it(tmp_path: Path) -> None:
    assert nothing_is_lost(nodes.lose_nodes(tmp_path, (True,), seed=0))


def test_a_full_disk_stops_the_search_with_one_message_and_free_space_lets_it_resume(tmp_path: Path) -> None:
    try:
        outcome = storage.disk_full(tmp_path, seed=0)
    except storage.NoDiskError as error:
        pytest.skip(f"this user may not mount a disk: {error}")
    assert nothing_is_lost(outcome)


def test_a_trial_that_hangs_fails_and_its_process_is_gone(tmp_path: Path) -> None:
    assert max(trials.hang_once(tmp_path, seed=0).seconds) < 30


def test_trials_out_of_memory_are_retried_alone_and_fail_with_the_reason(tmp_path: Path) -> None:
    assert trials.out_of_memory(tmp_path, seed=0).notes["failed"] > 0


def test_a_loss_that_is_not_finite_is_reported_with_its_step_and_settings(tmp_path: Path) -> None:
    assert trials.diverged(tmp_path, seed=0).times > 0


def test_a_search_whose_trials_all_fail_stops_early_and_resumes_once_the_cause_is_gone(tmp_path: Path) -> None:
    assert trials.every_trial_fails(tmp_path, seed=0).notes["tried"] < 20


def test_a_cost_budget_ends_the_search_in_time_for_its_finalists(tmp_path: Path) -> None:
    assert "completed" in trials.cost_budget(tmp_path, seed=0).notes["finalists"]
