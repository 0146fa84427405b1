"""What a process asks of a GPU, seen on one that is not there."""

from __future__ import annotations

import pytest

from builders.fake_gpu import FAKE_GPU, fake_gpu
from tuner.training.device import (
    CONTEXT_BYTES,
    GPU,
    choose_device,
    describe_gpu,
    device_of,
    is_gpu,
    memory_share,
    prepare_gpu,
)

GB = 1 << 30


def test_a_share_of_a_gpu_makes_the_device_a_gpu() -> None:
    assert (device_of(0), device_of(0.25), device_of(1)) == ("cpu", GPU, GPU)
    assert [is_gpu(device) for device in ("cpu", GPU, f"{GPU}:1", FAKE_GPU)] == [False, True, True, True]


def test_this_process_trains_on_a_cpu_if_it_cannot_use_a_gpu() -> None:
    assert choose_device(0.5) in ("cpu", GPU)
    assert choose_device(0) == "cpu"


def test_caches_are_emptied_before_memory_is_bounded_to_the_share() -> None:
    with fake_gpu() as (_, module):
        prepare_gpu(FAKE_GPU, 0.25)
        bound = pytest.approx(0.25 - CONTEXT_BYTES / (80 * GB))
        assert module.calls == [("empty_cache", None), ("set_per_process_memory_fraction", bound)]
        assert describe_gpu(FAKE_GPU) == ("a GPU that is not there", 80 * GB)


@pytest.mark.parametrize(("share", "total"), [(1.0, 80), (0.5, 16), (1 / 32, 140), (1 / 32, 8)])
def test_all_trials_of_a_gpu_and_their_processes_fit_its_memory(share: float, total: int) -> None:
    bound = memory_share(share, total * GB)
    assert share / 2 <= bound < share
