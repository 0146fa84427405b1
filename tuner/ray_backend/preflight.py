"""Checks nodes before trials run there: their versions, GPUs and clocks, and that they see the run directory as we do."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.errors import Fault, StorageError, UsageError
from tuner.ray_backend import node_facts
from tuner.ray_backend.left_out import leave_out
from tuner.ray_backend.start import Machines, Node, start_ray, stop_ray
from tuner.space.search_settings import ResourceSettings
from tuner.storage import Folder
from tuner.training.device import GPU

# isort: split
# Ray reads the settings that start.py makes when it is imported.
import ray
import ray.exceptions
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

cloudpickle.register_pickle_by_value(node_facts)  # a node without tuner can run it too

_here = functools.cache(node_facts.versions)
_ANSWER_WITHIN_S = 180.0  # a worker starts and imports torch, perhaps from a slow network mount
_SEEN_WITHIN_S = 5.0  # network mounts may show a new file late
_POLL_S = 0.2
_SKEW_TO_SAY_S = 3.0
_MOST_SKEW_S = 30.0  # half of what makes another machine's lease look expired, see ledger/lock.py


@dataclass(frozen=True)
class Needs:
    """What trials need of a node: the run directory, None if there is none yet, and whether they use its GPUs.

    If `are_gpus_optional`, they do without GPUs where no node has one that works.
    """

    location: str | None = None
    gpus: bool = False
    are_gpus_optional: bool = False


@dataclass(frozen=True)
class NodeReport:
    """A node with its facts, why no trial can run there, and what is odd about it."""

    node: Node
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()


class Meeting:
    """A folder in which this process and the nodes write a file each, and read each other's. `leave` deletes the files."""

    def __init__(self, location: str) -> None:
        """Write this process's file. Raises StorageError."""
        folder = Folder.at(location)
        self._location = _nearest(folder.path) if folder.is_local else location
        self._folder, self._token = Folder.at(self._location), uuid.uuid4().hex
        self._written = [self._file("driver")]
        self._folder.write(self._written[0], self._token.encode())

    def question(self, node: Node) -> dict[str, Any]:
        """Return what a node needs to know to take part."""
        self._written.append(self._file(node.node_id))
        return {
            "folder": self._location,
            "theirs": self._written[0],
            "ours": self._written[-1],
            "content": self._token.encode(),
        }

    def missing(self, node: Node, *, within_s: float = _SEEN_WITHIN_S) -> str | None:
        """Return why a node's file cannot be read here, None if it can."""
        problem, deadline = None, time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                self._folder.read(self._file(node.node_id))
            except StorageError as error:
                problem = f"a file that it has written there is not seen here: {error.faults[0].what}"
                time.sleep(_POLL_S)
            else:
                return None
        return problem

    def leave(self) -> None:
        """Delete the files of this process and the nodes."""
        for name in self._written:
            with suppress(StorageError):
                self._folder.delete(name)

    def _file(self, who: str) -> str:
        return f".tuner-{self._token[:8]}-{who}.draft"  # drafts are no part of a ledger


def _nearest(path: str) -> str:
    """Return the nearest folder that exists: the missing ones will be made in it."""
    folder = Path(path)
    while not folder.is_dir():
        folder = folder.parent
    return str(folder)


class NodeCheck:
    """A check that a node is at work on. It runs beside trials, on a worker of its own, and in none of their slots."""

    def __init__(self, node: Node, needs: Needs, meeting: Meeting | None) -> None:
        self.node, self._needs, self._meeting = node, needs, meeting
        place = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        # The worker has used the device, and ends so that it keeps no memory of it.
        task = ray.remote(num_cpus=0, max_retries=0, max_calls=1, scheduling_strategy=place)(node_facts.examine)
        question = {"gpus": node.gpus, "device": GPU if needs.gpus else None, "folder": None}
        self._sent_at, self._deadline = time.time(), time.monotonic() + _ANSWER_WITHIN_S
        self._received_at = 0.0
        self.reference = task.remote(question | (meeting.question(node) if meeting else {}))

    def is_done(self) -> bool:
        """Return whether the node has answered, or has had its time."""
        ready, _ = ray.wait([self.reference], timeout=0)
        if ready and not self._received_at:
            self._received_at = time.time()
        return bool(ready) or time.monotonic() > self._deadline

    def report(self) -> NodeReport:
        """Return what the check found. Call it once `is_done`."""
        try:
            facts = ray.get(self.reference, timeout=0)
        except ray.exceptions.GetTimeoutError:
            ray.cancel(self.reference, force=True)
            return NodeReport(self.node, (_silent(self.node, f"it did not answer within {_ANSWER_WITHIN_S:g} s"),))
        except ray.exceptions.RayError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            return NodeReport(self.node, (_silent(self.node, f"it cannot run a check ({reason})"),))
        if self._meeting and not facts["problems"] and (missing := self._meeting.missing(self.node)):
            facts["problems"]["storage"] = missing
        facts["skew_s"] = _skew(facts, self._sent_at, self._received_at)
        node = replace(self.node, host=facts["host"], facts=facts)
        faults = tuple(find_faults(node, _here(), self._needs))
        skew = abs(facts["skew_s"])
        notes = (f"{node}: {_describe_skew(facts['skew_s'])}",) if _SKEW_TO_SAY_S < skew <= _MOST_SKEW_S else ()
        return NodeReport(node, faults, notes)


def check_nodes(nodes: Iterable[Node], needs: Needs) -> list[NodeReport]:
    """Check nodes side by side, and return a report of each, in their order. Raises StorageError."""
    meeting = Meeting(needs.location) if needs.location is not None else None
    try:
        checks = [NodeCheck(node, needs, meeting) for node in nodes]
        waiting = list(checks)
        while waiting:
            ray.wait([check.reference for check in waiting], timeout=_POLL_S)
            waiting = [check for check in waiting if not check.is_done()]
        return [check.report() for check in checks]
    finally:
        if meeting is not None:
            meeting.leave()


def survey(address: str, location: str | None) -> tuple[list[NodeReport], tuple[str, ...]]:
    """Join a cluster, check all its nodes, and leave it. Return their reports, and notes about the cluster.

    Raises UsageError if the cluster cannot be joined, and StorageError if nothing can be written at `location`.
    """
    try:
        machines = start_ray(address, ResourceSettings())
        return check_nodes(machines.nodes, Needs(location, gpus=True)), machines.notes
    finally:
        stop_ray()


def check_machines(machines: Machines, resources: ResourceSettings, needs: Needs) -> Machines:
    """Check the nodes that have room for a trial, and leave out those that cannot run one; notes say which and why.

    Raises UsageError with every fault if none is left.
    """
    reports = check_nodes([node for node in machines.nodes if node.slots(resources)], needs)
    if needs.are_gpus_optional and all(_device_problem(report) for report in reports if report.node.gpus):
        reports = [_without_gpus(report, needs) if _device_problem(report) else report for report in reports]
    faults = group_faults([fault for report in reports for fault in report.faults])
    if reports and all(report.faults for report in reports):
        raise UsageError(faults)
    for report in reports:
        if report.faults:
            leave_out(report.node.node_id)
    known = {report.node.node_id: report for report in reports}
    nodes = [known[node.node_id].node if node.node_id in known else node for node in machines.nodes]
    left = tuple(node for node in nodes if node.node_id not in known or not known[node.node_id].faults)
    notes = [note for report in reports for note in report.notes]
    return replace(machines, nodes=left, notes=(*machines.notes, *notes, *map(describe_left_out, faults)))


def _device_problem(report: NodeReport) -> str | None:
    problem: str | None = report.node.facts.get("problems", {}).get("device")
    return problem


def _without_gpus(report: NodeReport, needs: Needs) -> NodeReport:
    """Return a node as one without GPUs, and say that they are not used."""
    problems = {part: problem for part, problem in report.node.facts["problems"].items() if part != "device"}
    node = replace(report.node, gpus=0.0, facts={**report.node.facts, "problems": problems})
    note = f"trials on {node} do without its GPUs, which cannot be used ({_device_problem(report)})"
    return NodeReport(node, tuple(find_faults(node, _here(), needs)), (*report.notes, note))


def describe_left_out(fault: Fault) -> str:
    """Say that a node gets no trials, and why."""
    return f"no trial runs on {fault}"


def group_faults(faults: Sequence[Fault]) -> list[Fault]:
    """Return one fault for all nodes that have the same."""
    places: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        places.setdefault((fault.what, fault.remedy), []).append(fault.where)
    return [Fault(", ".join(where), what, remedy) for (what, remedy), where in places.items()]


def find_faults(node: Node, here: Mapping[str, str], needs: Needs) -> Iterator[Fault]:
    """Yield what keeps trials from running on a node that has answered. `here` are this machine's versions."""
    facts, problems = node.facts, node.facts["problems"]
    if "tuner" in problems:
        what = f"tuner cannot be imported there ({problems['tuner']})"
        yield Fault(str(node), what, "install it there with the same packages as here, and start Ray with that Python")
        return
    names = [name for name in ("python", "tuner", "torch") if _release(facts[name]) != _release(here[name])]
    if names:
        theirs, ours = (" and ".join(f"{name} {each[name]}" for name in names) for each in (facts, here))
        yield Fault(str(node), f"it has {theirs}, but this machine has {ours}", _SAME_REMEDY)
    elif facts["code"] != here["code"]:
        yield Fault(str(node), f"its tuner {facts['tuner']} is another revision than this machine's", _SAME_REMEDY)
    if "device" in problems:
        remedy = "run `nvidia-smi` and `python -m torch.utils.collect_env` there: torch must be built for the driver"
        yield Fault(str(node), f"its GPUs cannot be used ({problems['device']})", remedy)
    if "storage" in problems:
        what = f"it does not see {needs.location} as this machine does ({problems['storage']})"
        remedy = "mount the same folder there, or use a place that every node reaches: a mount, s3://, gs:// or hdfs://"
        yield Fault(str(node), what, remedy)
    if abs(facts["skew_s"]) > _MOST_SKEW_S:
        yield Fault(str(node), _describe_skew(facts["skew_s"]), "set both clocks by NTP: `timedatectl set-ntp true`")


_SAME_REMEDY = "install the same tuner and packages there as here, and restart Ray there"


def _release(text: str) -> str:
    """Return the part of a version that must be the same: 3.11 of Python 3.11.9, and 2.13.0 of torch 2.13.0+cpu."""
    return ".".join(text.split("+")[0].split(".")[:2])


def _silent(node: Node, what: str) -> Fault:
    return Fault(str(node), what, "check it with `ray status`, and restart Ray there if it stays so")


def _skew(facts: Mapping[str, Any], sent_at: float, received_at: float) -> float:
    """Return by how many seconds a node's clock is certainly ahead of ours (below 0: behind), as in Cristian (1989).

    It read its clock after we sent the question and before we got the answer.
    """
    least, most = facts["clock"] - received_at, facts["began"] - sent_at
    return float(max(0.0, least) + min(0.0, most))


def _describe_skew(skew_s: float) -> str:
    return f"its clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
