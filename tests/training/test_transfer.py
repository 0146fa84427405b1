"""Arrays to a device, and numbers back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from builders.fake_gpu import FAKE_GPU, fake_gpu
from tuner.training.transfer import LateNumber, are_finite, read, to_device


def test_tensors_are_read_together_and_keep_their_shapes() -> None:
    tensors = [torch.arange(6.0).view(2, 3), torch.tensor(True), torch.empty(0), torch.tensor([1.5])]
    arrays = read(tensors)
    assert [array.shape for array in arrays] == [(2, 3), (), (0,), (1,)]
    assert [array.tolist() for array in arrays] == [[[0, 1, 2], [3, 4, 5]], 1.0, [], [1.5]]
    assert read([]) == []


def test_a_gpu_is_waited_for_once_however_many_tensors_are_read() -> None:
    with fake_gpu() as (gpu, _):
        tensors = [torch.ones(3, device=FAKE_GPU), torch.ones(2, 2, device=FAKE_GPU, dtype=torch.bool)]
        gpu.counts.clear()
        read(tensors)
        assert gpu.counts == {"waits": 1}


def test_an_array_goes_to_a_gpu_from_pinned_memory_and_stays_where_it_is_for_a_cpu() -> None:
    values = np.arange(3.0)
    assert to_device(values, torch.device("cpu")).data_ptr() == values.ctypes.data
    with fake_gpu() as (gpu, _):
        assert to_device(values, torch.device(FAKE_GPU)).device.type == FAKE_GPU
        assert gpu.counts == {"copies": 1}


@pytest.mark.parametrize("broken", [None, torch.nan, torch.inf])
def test_weights_are_finite_if_every_number_is(broken: float | None) -> None:
    parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, 2))]
    if broken is not None:
        parameters[1].data[1, 0] = broken
    assert bool(are_finite(parameters)) is (broken is None)


def test_a_number_that_a_gpu_still_computes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu() as (gpu, module):
        number = LateNumber(torch.ones((), device=FAKE_GPU))
        monkeypatch.setattr(module.Event, "query", lambda _: False)
        assert number.read() is None
        monkeypatch.setattr(module.Event, "query", lambda _: True)
        assert number.read() is not None
        assert gpu.counts == {"late reads": 1}
