"""GPUs that Ray counts and nobody has: trials spread over them, and what can share one is measured by probes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from builders.searches import write_space

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SCRIPT = """
import json, os, subprocess, sys
from collections import Counter
from dataclasses import asdict

from builders.configurations import configure, prepare_for
from builders.datasets import make_dataset
from tuner.ray_backend.access import asking_for_token
from tuner.ray_backend.gpu_spread import spread_over_gpus
from tuner.ray_backend.start import Machines, Node, ray
from tuner.search.gpus import pack, settle_gpus
from tuner.space.load import read_space
from tuner.space.search_settings import ResourceSettings
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

SPACE = '''
task: multilabel
data: {train: rows.csv, labels: labels}
search: {trials: 1}
space: {hidden: 4, tokens: {word: {min_count: 1}}}
'''


class Worker:
    def gpu(self):
        return os.environ["CUDA_VISIBLE_DEVICES"]


def gpus_of_trials():
    groups = [placement_group([{"CPU": 1, "GPU": 0.5}]) for _ in range(6)]  # as Ray Tune places trials
    strategies = [PlacementGroupSchedulingStrategy(group) for group in groups]
    workers = [ray.remote(num_cpus=1, num_gpus=0.5, scheduling_strategy=each)(Worker).remote() for each in strategies]
    counted = Counter(ray.get([worker.gpu.remote() for worker in workers]))
    for worker, group in zip(workers, groups):
        ray.kill(worker)
        remove_placement_group(group)
    return sorted(counted.values())


with asking_for_token():
    ray.init(address="local", num_cpus=6, num_gpus=4, include_dashboard=False, log_to_driver=False)
    said = []
    with spread_over_gpus(ResourceSettings(gpus=0.5)):
        spread = gpus_of_trials()
    data = prepare_for(make_dataset("multilabel"), configure())
    space, packing = settle_gpus(read_space(SPACE), data, Machines((Node(cpus=6, gpus=4),)), said.append)
    measured = pack(read_space(SPACE), data, most=2, device="cpu")
    free = ray.available_resources()["GPU"]
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "tuner", "plan", sys.argv[1], "--address", address, "--format", "json"]
    planned = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(json.dumps({
        "spread": spread, "said": said, "settled": space.resources.gpus, "entry": packing.entry(), "free": free,
        "rates": list(measured.measured.rates), "problem": measured.measured.problem,
        "plan": json.loads(planned.stdout or "{}"), "plan_said": planned.stderr,
    }), file=sys.stderr)
    ray.shutdown()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    space = write_space(tmp_path_factory.mktemp("gpus"), "multilabel", "labels: labels")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(space)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stderr.strip().splitlines()[-1])
    return seen


def test_fewer_trials_than_fit_spread_over_all_gpus(found: dict[str, Any]) -> None:
    assert found["spread"] == [1, 1, 2, 2]
    assert found["free"] == 4  # all that was held back is given back


def test_probes_measure_trials_side_by_side(found: dict[str, Any]) -> None:
    assert (found["rates"], found["problem"]) == ([1, 2], "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch can use a GPU here")
def test_gpus_that_pytorch_cannot_use_are_left_alone_and_it_is_said(found: dict[str, Any]) -> None:
    assert found["settled"] == 0
    assert found["said"][-1].startswith("GPUs are not used: PyTorch ")
    assert "install its build for CUDA" in found["said"][-1]
    assert found["entry"]["trials_per_gpu"] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch can use a GPU here")
def test_a_plan_for_a_cluster_settles_the_gpus_and_measures_there(found: dict[str, Any]) -> None:
    assert "do without its GPUs, which cannot be used" in found["plan_said"]
    assert found["plan"]["slots"] == 6, found["plan_said"]
    assert found["plan"]["seconds_per_epoch"]["median"] > 0
