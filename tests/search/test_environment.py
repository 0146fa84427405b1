"""What a run records about the machines that it ran on."""

from __future__ import annotations

from typing import Any

from tuner.ray_backend.start import Machines, Node
from tuner.search.environment import add_node, describe_node, describe_resumption

FACTS = {"host": "gpu-2", "gpu_models": ["NVIDIA A100"], "gpu_driver": "580.1", "torch": "2.13.0", "problems": {}}
CHECKED = Node(cpus=8, gpus=1, node_id="ab12", host="gpu-2", address="10.0.0.3", facts=FACTS)


def test_a_node_is_named_with_its_gpus_their_driver_and_its_versions() -> None:
    assert describe_node(CHECKED) == {
        "host": "gpu-2",
        "address": "10.0.0.3",
        "cpus": 8,
        "gpus": 1,
        "gpu_models": ["NVIDIA A100"],
        "gpu_driver": "580.1",
        "torch": "2.13.0",
    }


def test_a_node_that_joins_is_added_to_the_nodes_of_the_run_or_of_its_resumption() -> None:
    environment: dict[str, Any] = {"nodes": []}
    add_node(environment, CHECKED)
    assert [node["address"] for node in environment["nodes"]] == ["10.0.0.3"]
    assert "joined_at" in environment["nodes"][0]
    resumed = describe_resumption(environment, Machines((Node(cpus=2, gpus=0, host="head"),)))
    add_node(resumed, CHECKED)
    assert [node["host"] for node in resumed["resumed"][-1]["nodes"]] == ["head", "gpu-2"]
    assert len(resumed["nodes"]) == 1
