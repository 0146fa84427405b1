"""Nodes that cannot run trials, and nodes that come late, on real clusters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from builders.nodes import Nodes, cluster, python_without_tuner
from builders.searches import command, write_space

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="the nodes' mounts are Linux's"),
]

SHORT = ("--set", "search.trials=2", "--set", "search.max_epochs=1", "--set", "search.finalists=1")


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # Ray lets all workers import from the driver's folder
    (tmp_path / "runs").mkdir()
    return write_space(tmp_path, "multilabel", "labels: labels")


def call(nodes: Nodes, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=nodes.environment, capture_output=True, text=True, check=False, timeout=240
    )


def run(nodes: Nodes, space: Path, *more: str) -> tuple[str | Path, ...]:
    return "run", space, "--name", "night", "--runs", space.parent / "runs", "--address", nodes.address, *more


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder over the runs of one node")
def test_nodes_that_cannot_run_trials_are_named_with_the_remedy_and_left_out(space: Path) -> None:
    folder = space.parent
    runs = folder / "runs"
    with cluster("--num-cpus=0") as nodes:
        nodes.start("--num-cpus=1")
        nodes.start("--num-cpus=2", python=python_without_tuner(folder / "bare"), PYTHONPATH=None)
        nodes.start("--num-cpus=4", without=runs)
        checked = call(nodes, "cluster", nodes.address, "--at", runs, "--format", "json")
        searched = call(nodes, *run(nodes, space, *SHORT))
    without_tuner = "tuner cannot be imported there (ModuleNotFoundError: No module named 'tuner"
    elsewhere = "as this machine does (a file that the driver has written there is missing)"
    assert checked.returncode == 2, checked.stderr
    assert {(row["cpus"], row["state"]) for row in json.loads(checked.stdout)} == {
        (0, "fit"), (1, "fit"), (2, "not fit"), (4, "not fit")
    }  # fmt: skip
    assert searched.returncode == 0, searched.stderr
    for output in (checked.stderr, searched.stderr):
        assert without_tuner in output
        assert elsewhere in output
        assert "mount the same folder there" in output
    assert "starting the workers, 1 side by side" in searched.stderr
    environment = json.loads((runs / "night" / "environment.json").read_text())
    assert [each["cpus"] for each in environment["nodes"] if "torch" in each] == [1]
    assert not list(runs.rglob("*.draft"))


def test_gpus_that_do_not_work_end_a_search_that_asks_for_them_and_no_other(space: Path) -> None:
    with cluster("--num-cpus=1", "--num-gpus=1") as nodes:  # Ray believes in the GPU
        refused = call(nodes, *run(nodes, space, "--set", "resources.gpus=1"))
        assert refused.returncode == 2, refused.stderr
        assert "its GPUs cannot be used (Ray counts 1, but torch" in refused.stderr
        assert list((space.parent / "runs").iterdir()) == []
        searched = call(nodes, *run(nodes, space, *SHORT, "--set", "resources.gpus=auto"))
    assert searched.returncode == 0, searched.stderr
    assert "do without its GPUs, which cannot be used (Ray counts 1, but torch" in searched.stderr


def test_a_search_waits_for_nodes_and_takes_those_that_join_if_they_are_fit(space: Path) -> None:
    bare = python_without_tuner(space.parent / "bare")
    with cluster("--num-cpus=0") as nodes:
        refused = call(nodes, *run(nodes, space))
        assert refused.returncode == 2, refused.stderr
        assert "no node has that many: 0 CPUs and 0 GPUs; ask for less, add nodes, or" in refused.stderr
        assert "--set resources.wait=15m" in refused.stderr
        assert list((space.parent / "runs").iterdir()) == []

        waiting = run(nodes, space, "--set", "resources.wait=3m", "--set", "search.trials=5000")
        process = subprocess.Popen(
            command(*waiting), env=nodes.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        output, news = "", ["tuner cannot be imported there", "2 trials can run side by side now"]
        for line in process.stderr or ():
            output += line
            news = [each for each in news if each not in line]
            if not news:
                process.send_signal(signal.SIGINT)
            if line.startswith("waiting up to 3 min for a node"):
                nodes.start("--num-cpus=1")
            if line.startswith("starting the workers"):
                nodes.start("--num-cpus=2", python=bare, PYTHONPATH=None)
                nodes.start("--num-cpus=1")
        process.communicate()
        assert process.returncode == 130, output
    environment = json.loads((space.parent / "runs" / "night" / "environment.json").read_text())
    assert ["joined_at" in node for node in environment["nodes"]] == [False, False, True]
    assert " failed" not in output
