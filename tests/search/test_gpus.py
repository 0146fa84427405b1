"""Whether a search looks for GPUs. tests/cluster/test_gpus.py measures with a real Ray."""

from __future__ import annotations

import pytest

from tuner.ray_backend.start import Machines, Node
from tuner.search.gpus import settle_gpus, typical_configurations
from tuner.space.load import read_space

SPACE = """
task: multilabel
data: {train: rows.csv, labels: labels}
search: {trials: 1}
resources: {cpus: 1}
space: {hidden: [4, 64], batch_size: [16, 256], tokens: {word: {min_count: 1}}}
"""


@pytest.mark.parametrize(("gpus", "machine"), [(0, 2), (0.5, 2), ("auto", 0)])
def test_nothing_is_measured_if_the_space_has_a_number_or_no_machine_has_a_gpu(gpus: object, machine: int) -> None:
    space = read_space(SPACE, [f"resources.gpus={gpus}"])
    said: list[str] = []
    machines = Machines((Node(cpus=4, gpus=machine),))
    assert settle_gpus(space, None, machines, said.append) == (space, None)  # type: ignore[arg-type] - no data are read
    assert said == []


def test_memory_is_measured_on_the_setting_with_the_largest_batches(make_dataset, prepare_for, configure) -> None:
    data = prepare_for(make_dataset("multilabel"), configure())
    _, largest = typical_configurations(read_space(SPACE), data)
    assert (largest["hidden"], largest["batch_size"]) == (64, 256)
