"""Nodes that fail, are lost or are about to stop, on real clusters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builders.nodes import Nodes, cluster
from builders.searches import command, wait_until, write_space
from tuner.ledger.run_directory import read_measurements, read_run

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BROKEN = '''
"""Makes each training step of this node fail, as on a broken GPU."""
import importlib.machinery
import sys


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "tuner.training.loop":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def fail(*_):
            raise RuntimeError("CUDA error: an illegal memory access was encountered\\nFor debugging consider ...")

        def exec_module(module):
            load(module)
            module.Training._step = fail

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
'''


@pytest.fixture
def space(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return write_space(tmp_path, "multilabel", "labels: labels")


def search(nodes: Nodes, space: Path, *settings: str) -> subprocess.Popen[str]:
    words = [word for setting in settings for word in ("--set", setting)]
    runs = space.parent / "runs"
    return subprocess.Popen(
        command("run", space, "--name", "night", "--runs", runs, "--address", nodes.address, *words),
        env=nodes.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_gpu_is_occupied_part_by_part_as_the_trials_that_have_it_end() -> None:
    """Fake GPUs: Ray hands them out, and nobody uses them."""
    script = """
import sys, time
from tuner.ray_backend.start import start_ray, stop_ray
from tuner.space.search_settings import ResourceSettings
start_ray(sys.argv[1], ResourceSettings())
import ray
from tuner.ray_backend.bad_gpus import BadGpus
from tuner.ray_backend.cluster_nodes import here
from tuner.trial.place import Place

class Trial:
    def where(self):
        return here()

trials = [ray.remote(num_cpus=0, num_gpus=0.5)(Trial).remote() for _ in range(4)]
places = [ray.get(trial.where.remote()) for trial in trials]
print(sorted(place["gpu"] for place in places))
bad, bad_gpus, deadline = Place(places[0]["node_id"], "1"), BadGpus(), time.monotonic() + 60
bad_gpus.occupy(bad, 0.5)
gpus = [place["gpu"] for place in places]
for trial in [trial for trial, gpu in zip(trials, gpus) if gpu == "1"]:
    ray.kill(trial)
while bad_gpus.held(bad) < 1 and time.monotonic() < deadline:
    bad_gpus.look()
    time.sleep(0.2)
print(bad_gpus.held(bad))
ray.kill(trials[gpus.index("0")])
another = ray.remote(num_cpus=0, num_gpus=0.5)(Trial).remote()
print(ray.get(another.where.remote())["gpu"])
stop_ray()
"""
    with cluster("--num-cpus=1", "--num-gpus=2") as nodes:
        call = [sys.executable, "-c", script, nodes.address]
        done = subprocess.run(call, env=nodes.environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.splitlines() == ["['0', '0', '1', '1']", "1.0", "0"], done.stderr


def at(number: int) -> tuple[str, str]:
    """Options for a node with an address of its own. Otherwise the driver may belong to it, and end with it."""
    return ("--num-cpus=1",)


def test_a_node_with_a_broken_device_is_left_out_by_name_and_its_trials_run_elsewhere(space: Path) -> None:
    (space.parent / "broken").mkdir()
    (space.parent / "broken" / "sitecustomize.py").write_text(BROKEN)
    python_path = f"{space.parent / 'broken'}:{os.environ.get('PYTHONPATH', '')}"
    with cluster("--num-cpus=1", "--node-name=fine") as nodes:
        nodes.start(*at(2), "--num-cpus=2", "--node-name=broken", PYTHONPATH=python_path)
        process = search(nodes, space, "search.trials=12", "search.max_epochs=8", "search.finalists=1")
        _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert stderr.count("is left out") == 1
    assert "warning: node broken is left out, because trials fail there and not elsewhere, the last with: " in stderr
    assert "RuntimeError: CUDA error: an illegal memory access was encountered; they are tried again" in stderr
    trials = read_run(space.parent / "runs" / "night").trials
    assert {(row["node"], row["gpu"]) for row in trials} == {("fine", None)}
    assert all(row["ending"] in ("completed", "stopped", "collapsed") for row in trials)
    assert max(row["starts"] for row in trials) > 1


def test_a_trial_whose_node_stops_goes_on_elsewhere_from_where_it_was_told(space: Path) -> None:
    run = space.parent / "runs" / "night"

    def epochs() -> float:
        there = (run / "reports").exists() and any((run / "reports").glob("*.parquet"))
        return max(read_measurements(run)["epochs"].to_pylist(), default=0.0) if there else 0.0

    long = (
        "search.trials=1",
        "search.max_epochs=60",
        "search.grace_epochs=60",
        "search.finalists=1",
        "search.seeds=1",
    )
    with cluster("--num-cpus=0") as nodes:
        leaving = nodes.start(*at(2), "--node-name=spot", RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S="4")
        process = search(nodes, space, *long)
        wait_until(lambda: epochs() > 5, process)
        told_at = epochs()
        leaving.send_signal(signal.SIGTERM)
        wait_until(lambda: (run / "checkpoints" / "trial-0.safetensors").exists(), process)
        nodes.start(*at(3), "--node-name=next")
        stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert "raylet" not in stdout + stderr
    assert "note: node spot is lost; its trials go on elsewhere, from their last checkpoints" in stderr
    first = next(row for row in read_run(run).trials if row["trial"] == 0)
    assert (first["ending"], first["node"], first["starts"], first["lost_nodes"]) == ("completed", "next", 2, 1)
    again = [row["epochs"] for row in read_measurements(run).to_pylist() if (row["trial"], row["start"]) == (0, 2)]
    assert again[0] > told_at
