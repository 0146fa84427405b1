"""cluster: check that the nodes of a cluster can run trials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.completion import complete_files, complete_folders
from tuner.cli.options import format_option
from tuner.cli.output import Format, print_rows, say
from tuner.cli.search import check_address
from tuner.show_value import show_count

if TYPE_CHECKING:
    from tuner.ray_backend.preflight import NodeReport

_COLUMNS = (
    "node",
    "address",
    "state",
    "cpus",
    "gpus",
    "gpu_models",
    "gpu_driver",
    "tuner",
    "torch",
    "cuda",
    "python",
    "clock_s",
)
_DROP = ("clock_s", "python", "cuda", "gpu_driver", "gpu_models", "torch", "tuner", "address")


@click.command()
@click.argument("address", required=False)
@click.option(
    "--at",
    "location",
    metavar="LOCATION",
    shell_complete=complete_folders,
    help="Also check that every node can write and read there: the folder that holds the runs.",
)
@click.option(
    "--file",
    "file",
    metavar="FILE",
    shell_complete=complete_files,
    help="Check this cluster file instead, without a cluster.",
)
@format_option
def cluster(address: str | None, location: str | None, file: str | None, format_: Format) -> None:
    """Check that the nodes of the Ray cluster at ADDRESS can run trials.

    ADDRESS is HOST:PORT, or auto on one of its machines. Each node imports what trials import, makes a tensor on each of its
    GPUs, and tells its versions and its clock. With --at, it also reads what this machine has written there, and the other
    way round. `tuner run` checks the same before a trial runs on a node. The exit code is 0 if every node passes, and 2
    otherwise.

    \b
    Example:
      tuner cluster auto --at /mnt/tuner/runs
      tuner cluster 10.0.0.2:6379 --at s3://bucket/runs --format json
      tuner cluster --file cluster.yaml
    """
    from tuner.errors import Fault, UsageError

    if (address is None) == (file is None):
        remedy = "give HOST:PORT, or auto on a machine of the cluster, or --file cluster.yaml"
        raise UsageError([Fault("tuner cluster", "neither or both of ADDRESS and --file are given", remedy)])
    if file is not None:
        _check_file(file)
    else:
        _check_nodes(str(address), location, format_)


def _check_file(file: str) -> None:
    from tuner.errors import UsageError
    from tuner.ray_backend.cluster_file import check_cluster_file

    faults = check_cluster_file(Path(file))
    if faults:
        raise UsageError(faults)
    say(f"{file} has no fault that can be seen without its machines")


def _check_nodes(address: str, location: str | None, format_: Format) -> None:
    from tuner.errors import Fault, UsageError
    from tuner.storage import Folder

    with _naming_argument():
        check_address(address)
    if location is not None:
        Folder.at(location).check_writable()
    say("joining the cluster and asking its nodes")

    from tuner.ray_backend.preflight import group_faults, survey

    with _naming_argument():
        reports, notes = survey(address, location)
    print_rows([_row(report) for report in reports], _COLUMNS, format_, drop=_DROP)
    for note in (*notes, *(note for report in reports for note in report.notes)):
        say(f"note: {note}")
    faults = group_faults([fault for report in reports for fault in report.faults])
    if not any(report.node.cpus >= 1 for report in reports):
        remedy = "start Ray on nodes with CPUs, or let a search wait for them: tuner run … --set resources.wait=15m"
        faults.append(Fault(address, "no node has a CPU for a trial", remedy))
    if faults:
        raise UsageError(faults)
    say(f"{show_count(sum(report.node.cpus >= 1 for report in reports), 'node')} can run trials")


@contextmanager
def _naming_argument() -> Iterator[None]:
    """Let faults of the address name this verb's argument. Other verbs have an option for it."""
    from tuner.errors import UsageError

    try:
        yield
    except UsageError as error:
        raise UsageError(
            [replace(fault, where="ADDRESS" if fault.where == "--address" else fault.where) for fault in error.faults]
        ) from error


def _row(report: NodeReport) -> dict[str, Any]:
    node, facts = report.node, report.node.facts
    return {
        "node": node.host,
        "address": node.address,
        "state": "fit" if not report.faults else "not fit",
        "cpus": _without_point(node.cpus),
        "gpus": _without_point(node.gpus),
        "gpu_models": ", ".join(sorted(set(facts.get("gpu_models", ())))) or None,
        "clock_s": round(facts["skew_s"], 1) if "skew_s" in facts else None,
        **{name: facts.get(name) for name in ("gpu_driver", "tuner", "torch", "cuda", "python")},
    }


def _without_point(count: float) -> float:
    """Return a whole number as an int: Ray counts in floats, and 4.000 CPUs look odd."""
    return int(count) if count == int(count) else count
