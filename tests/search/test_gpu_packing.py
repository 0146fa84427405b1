"""How many trials share a GPU."""

from __future__ import annotations

import json
import math

import pytest

from tuner.ray_backend.start import Node
from tuner.search.gpu_packing import (
    GpuMeasurement,
    choose_packing,
    counts_to_try,
    is_worth_more,
    most_for_cores,
    most_for_memory,
    note_on_idle_cpus,
)
from tuner.space.search_settings import ResourceSettings

GB = 1 << 30


def measured(rates: dict[int, float], *, need: int = GB, problem: str = "") -> GpuMeasurement:
    return GpuMeasurement(gpu="H200", memory_bytes=140 * GB, need_bytes=need, rates=rates, problem=problem)


@pytest.mark.parametrize(
    ("rates", "trials"),
    [
        ({1: 300.0, 2: 590.0, 4: 1150.0, 8: 2100.0, 16: 3300.0}, 16),  # launches leave the GPU idle
        ({1: 300.0, 2: 500.0, 4: 600.0, 8: 610.0}, 4),  # nearly the best, with more of the GPU for each
        ({1: 300.0, 2: 280.0}, 1),  # one trial fills the GPU
        ({1: 300.0}, 1),
    ],
)
def test_the_fewest_trials_with_nearly_the_highest_throughput_are_chosen(rates: dict[int, float], trials: int) -> None:
    packing = choose_packing(measured(rates), most=16)
    assert packing.trials == trials
    assert f"1: {rates[1]:.0f}" in packing.sentence


def test_no_more_trials_share_a_gpu_than_its_memory_is_enough_for() -> None:
    packing = choose_packing(measured({1: 300.0, 2: 600.0, 4: 1200.0, 8: 2400.0}, need=25 * GB), most=8)
    assert packing.trials == 4
    assert "its memory is enough for 4" in packing.sentence


def test_without_time_to_measure_the_cores_and_the_memory_decide_up_to_eight() -> None:
    assert choose_packing(measured({}), most=3).trials == 3
    assert choose_packing(measured({}), most=16).trials == 8
    assert choose_packing(measured({}, need=60 * GB), most=16).trials == 1


def test_a_measurement_that_fails_leaves_each_trial_a_gpu_and_says_why() -> None:
    packing = choose_packing(measured({}, problem="no answer within 90 s"), most=16)
    assert packing.sentence == (
        "each trial has a GPU (H200): their speed could not be measured (no answer within 90 s)"
    )
    assert choose_packing(measured({1: 300.0, 2: 600.0}, problem="a worker died"), most=16).trials == 2


@pytest.mark.parametrize("trials", range(1, 33))
def test_as_many_trials_as_chosen_fit_a_gpu_as_ray_counts(trials: int) -> None:
    packing = choose_packing(measured({trials: 100.0}), most=trials)
    assert packing.gpus == round(packing.gpus, 4)
    assert math.floor(1 / packing.gpus) == trials


@pytest.mark.parametrize(
    ("nodes", "resources", "most"),
    [
        ([Node(cpus=16, gpus=1)], {}, 16),
        ([Node(cpus=6, gpus=4)], {}, 2),  # 2, 2, 1 and 1
        ([Node(cpus=64, gpus=1), Node(cpus=64, gpus=0)], {"cpus": 4}, 16),
        ([Node(cpus=96, gpus=1)], {}, 32),
        ([Node(cpus=16, gpus=1)], {"concurrent": 5}, 5),
        ([Node(cpus=16, gpus=2), Node(cpus=16, gpus=2)], {"concurrent": 6}, 2),
        ([Node(cpus=1, gpus=8)], {}, 1),
    ],
)
def test_a_gpu_is_shared_by_no_more_trials_than_it_has_cores_for(
    nodes: list[Node], resources: dict[str, int], most: int
) -> None:
    assert most_for_cores(nodes, ResourceSettings(**resources)) == most  # type: ignore[arg-type]


def test_memory_leaves_room_for_a_larger_setting_than_was_measured() -> None:
    assert most_for_memory(100 * GB, 10 * GB) == 7
    assert most_for_memory(10 * GB, 60 * GB) == 1


def test_numbers_of_trials_double_and_end_with_the_most() -> None:
    assert [counts_to_try(most) for most in (1, 2, 6, 16)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8, 16]]


def test_more_trials_are_tried_as_long_as_they_are_faster() -> None:
    assert is_worth_more({1: 300.0})
    assert is_worth_more({1: 300.0, 2: 500.0})
    assert not is_worth_more({1: 300.0, 2: 500.0, 4: 510.0})


def test_cpus_of_nodes_without_a_gpu_that_stay_idle_are_said() -> None:
    packing = choose_packing(measured({1: 300.0}), most=1)
    with_gpu, without, head = Node(cpus=8, gpus=1), Node(cpus=64, gpus=0), Node(cpus=0, gpus=0)
    assert note_on_idle_cpus(packing, [with_gpu, head]) is None
    assert note_on_idle_cpus(packing, [with_gpu, without, without]) == (
        "128 CPUs of nodes without a GPU stay idle; --set resources.gpus=0 uses the CPUs of all nodes instead of GPUs"
    )


def test_the_ledger_gets_the_choice_and_what_was_measured() -> None:
    entry = json.loads(json.dumps(choose_packing(measured({1: 300.0, 2: 600.0}), most=2).entry()))
    assert (entry["trials_per_gpu"], entry["gpus"], entry["gpu"]) == (2, 0.5, "H200")
    assert entry["rates"] == {"1": 300.0, "2": 600.0}
