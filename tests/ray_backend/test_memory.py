"""Trials that run out of memory: recognised, and given more room. No Ray is started here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.experiment import Trial

from tuner.ray_backend.memory import (
    _most_that_fits,
    describe_out_of_memory,
    last_error,
    memory_kills_as_deaths,
)

KILLED = "1 worker(s) were killed due to the node running low on memory.\nTop 10 memory users:\nPID  MEM"


def test_the_reason_is_one_line_that_names_the_cause() -> None:
    assert describe_out_of_memory(KILLED, 2) == (
        "out of memory: 1 worker(s) were killed due to the node running low on memory. "
        "(tried 2 times, the last with fewer trials beside it)"
    )


def test_the_reason_says_if_the_trial_had_a_gpu_of_its_own_in_the_end() -> None:
    reason = describe_out_of_memory("MemoryError: out of memory: CUDA out of memory. Tried …", 2, has_whole_gpu=True)
    assert reason == "out of memory: CUDA out of memory. Tried … (tried 2 times, the last with a GPU of its own)"


def test_the_last_of_a_trials_failures_is_read_right_after_it(tmp_path: Path) -> None:
    trial = Trial("any", stub=True)
    trial.storage = SimpleNamespace(
        trial_driver_staging_path=str(tmp_path)
    )  # Ray makes a complete one only when it runs
    assert last_error(trial) == ""
    trial.handle_error(RayActorError(error_msg="out of memory"))
    trial.handle_error(RayActorError(error_msg="the node was lost"))
    assert last_error(trial) == "the node was lost"


def test_a_worker_that_ray_kills_to_free_memory_counts_as_dead() -> None:
    errors: list[Exception] = []
    actor = TrackedActor(1, on_error=lambda _, error: errors.append(error))
    manager = RayActorManager.__new__(RayActorManager)
    manager._failed_actor_ids = set()
    manager._cleanup_actor = lambda tracked_actor: None
    task = TrackedActorTask(actor)
    with memory_kills_as_deaths():
        manager._actor_task_failed(tracked_actor_task=task, exception=OutOfMemoryError(KILLED))
    assert [str(error) for error in errors] == [KILLED]
    with pytest.raises(
        RuntimeError, match="Caught unexpected exception"
    ):  # once Ray handles this itself, drop our patch
        manager._actor_task_failed(tracked_actor_task=task, exception=OutOfMemoryError(KILLED))


@pytest.mark.parametrize(
    ("wanted", "node", "given"),
    [
        ({"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 2.0}),
        ({"CPU": 3.0}, {"CPU": 4.0}, {"CPU": 4.0}),
        ({"CPU": 1.0, "GPU": 0.25}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0, "GPU": 0.5}),
        ({"CPU": 1.0, "GPU": 0.75}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0, "GPU": 1.0}),
        ({"CPU": 1.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}),  # of no use to a trial
        ({"CPU": 9.0}, {"CPU": 8.0}, {"CPU": 9.0}),  # its node is gone
    ],
)
def test_a_second_try_gets_twice_the_resources_but_no_more_than_a_node_has(
    wanted: dict[str, float], node: dict[str, float], given: dict[str, float]
) -> None:
    twice = {name: 2 * amount for name, amount in wanted.items()}
    assert _most_that_fits(twice, wanted, [node]) == given
