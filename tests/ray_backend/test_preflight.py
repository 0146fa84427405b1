"""What keeps trials from running on a node, and how it is said. No Ray is started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from tuner.errors import Fault
from tuner.ray_backend.node_facts import examine, versions
from tuner.ray_backend.preflight import Meeting, Needs, _skew, find_faults, group_faults
from tuner.ray_backend.start import Node

HERE = {"python": "3.11.7", "tuner": "0.1.0", "code": "a1", "torch": "2.13.0+cpu"}
NEEDS = Needs("/mnt/runs/night", gpus=True)


def node(*, problems: dict[str, str] | None = None, skew_s: float = 0.0, **facts: str) -> Node:
    return Node(
        cpus=8,
        gpus=1,
        node_id="ab12",
        host="gpu-2",
        address="10.0.0.3",
        facts={**HERE, **facts, "problems": problems or {}, "skew_s": skew_s},
    )


def said(made: Node) -> list[str]:
    return [str(fault) for fault in find_faults(made, HERE, NEEDS)]


def test_a_node_like_this_machine_has_no_fault() -> None:
    assert said(node(python="3.11.9", torch="2.13.1+cu128", skew_s=-20.0)) == []


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (node(problems={"tuner": "ModuleNotFoundError: No module named 'tuner'"}), "tuner cannot be imported there (Mod"),
        (node(torch="2.9.1+cu126", tuner="0.2.0"), "has tuner 0.2.0 and torch 2.9.1+cu126, but this machine has tuner 0.1.0"),
        (node(python="3.12.1"), "it has python 3.12.1, but this machine has python 3.11.7; install"),
        (node(code="b2"), "its tuner 0.1.0 is another revision than this machine's; install"),
        (node(problems={"device": "no driver"}), "its GPUs cannot be used (no driver); run `nvidia-smi`"),
        (node(problems={"storage": "a file is missing"}), "does not see /mnt/runs/night as this machine does (a file is"),
        (node(skew_s=-61.4), "its clock is 61 s behind this machine's; set both clocks"),
        (node(skew_s=47.0), "its clock is 47 s ahead of this machine's"),
    ],
)  # fmt: skip
def test_a_fault_names_the_node_what_is_wrong_and_the_remedy(made: Node, words: str) -> None:
    (fault,) = said(made)
    assert fault.startswith("node 10.0.0.3 (gpu-2): ")
    assert words in fault


def test_all_faults_of_a_node_are_found_at_once() -> None:
    problems = {"device": "no driver", "storage": "a file is missing"}
    assert len(said(node(torch="2.9.1", problems=problems, skew_s=99.0))) == 4


def test_nodes_with_the_same_fault_share_a_line() -> None:
    faults = [
        Fault("node a", "no tuner", "install it"),
        Fault("node b", "old", "update"),
        Fault("node c", "no tuner", "install it"),
    ]
    assert list(map(str, group_faults(faults))) == ["node a, node c: no tuner; install it", "node b: old; update"]


@pytest.mark.parametrize(
    ("began", "ended", "skew_s"),
    [(101.0, 103.0, 0.0), (161.0, 163.0, 59.0), (41.0, 43.0, -59.0), (98.0, 101.0, -2.0)],
)
def test_only_what_a_clock_is_certainly_off_by_counts(began: float, ended: float, skew_s: float) -> None:
    """The question was sent at 100 and answered at 104. The node read its clock in between, and nobody knows when."""
    assert _skew({"began": began, "clock": ended}, 100.0, 104.0) == pytest.approx(skew_s)


def question(**given: object) -> dict[str, object]:
    return {"gpus": 0.0, "device": None, "folder": None} | given


def test_a_node_tells_its_versions_and_writes_a_file_for_this_machine(tmp_path: Path) -> None:
    meeting, made = Meeting(str(tmp_path / "runs" / "night")), Node(cpus=1, gpus=0, node_id="ab12")
    assert meeting.missing(made, within_s=0.1) is not None
    facts = examine(question(**meeting.question(made)))
    assert facts["problems"] == {}
    assert facts["torch"] == torch.__version__
    assert facts["code"] == versions()["code"]
    assert abs(facts["clock"] - time.time()) < 60
    assert meeting.missing(made) is None
    assert len(list(tmp_path.iterdir())) == 2
    meeting.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_node_with_another_folder_at_the_same_path_says_so(tmp_path: Path) -> None:
    meeting = Meeting(str(tmp_path))
    asked = question(**meeting.question(Node(cpus=1, gpus=0, node_id="ab12")))
    meeting.leave()
    assert examine(asked)["problems"] == {"storage": "a file that the driver has written there is missing"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_node_whose_torch_sees_fewer_gpus_than_ray_counts_says_so() -> None:
    problems = examine(question(gpus=2.0, device="cuda"))["problems"]
    assert problems == {"device": f"Ray counts 2, but torch {torch.__version__} sees 0"}
