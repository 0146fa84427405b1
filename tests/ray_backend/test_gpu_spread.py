"""Which parts of GPUs are held back, so that trials spread over all of a node."""

from __future__ import annotations

import pytest

from tuner.ray_backend.gpu_spread import held_shares
from tuner.ray_backend.start import Node
from tuner.space.search_settings import ResourceSettings


@pytest.mark.parametrize(
    ("cpus", "gpus", "share", "held"),
    [
        (6, 4, 0.5, [0, 0, 0.5, 0.5]),  # 2, 2, 1 and 1
        (2, 4, 0.5, [0.5, 0.5, 1, 1]),  # 1, 1, 0 and 0
        (8, 4, 0.5, [0, 0, 0, 0]),  # full
        (16, 1, 0.125, [0]),
        (4, 1, 0.125, [0.5]),
        (6, 4, 1.0, []),  # whole GPUs are not shared
        (6, 0, 0.5, []),
        (6, 4, 0.0, []),
    ],
)
def test_what_is_left_of_each_gpu_is_enough_for_its_trials_only(
    cpus: int, gpus: int, share: float, held: list[float]
) -> None:
    assert held_shares(Node(cpus=cpus, gpus=gpus), ResourceSettings(gpus=share)) == held
