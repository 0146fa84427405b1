"""The environment of a run: versions, machines, seed, data, revision."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tuner import __version__
from tuner.data.dataset import Dataset, label_counts
from tuner.ray_backend.start import Machines, Node
from tuner.space.file_settings import absolute
from tuner.space.load import Space

_PACKAGES = (
    "torch",
    "ray",
    "numpy",
    "scikit-learn",
    "imbalanced-learn",
    "optuna",
    "pyarrow",
    "tokenizers",
    "gensim",
    "snowballstemmer",
    "simplemma",
    "safetensors",
)


def describe_environment(space: Space, dataset: Dataset, machines: Machines) -> dict[str, Any]:
    """Return everything that is needed to repeat the run, as JSON values."""
    return {
        "started_at": now(),
        "command": ["tuner", *sys.argv[1:]],
        "space": space.source,
        "space_text": space.text_for_anywhere,
        "space_given": space.given,
        "seed": space.search.seed,
        "versions": {"python": platform.python_version(), **versions()},
        "platform": platform.platform(),
        "machines": {"cpus": machines.cpus, "gpus": machines.gpus, "nodes": len(machines.nodes)},
        "nodes": [describe_node(node) for node in machines.nodes],
        "git": _git_revision(),
        "data": _describe_data(dataset),
    }


def describe_resumption(before: Mapping[str, Any], machines: Machines | None = None) -> dict[str, Any]:
    """Return a run's environment with one more entry: when it was resumed, how, with which versions and on which nodes."""
    entry: dict[str, Any] = {"at": now(), "command": ["tuner", *sys.argv[1:]], "versions": versions()}
    if machines is not None:
        entry["nodes"] = [describe_node(node) for node in machines.nodes]
    return {**before, "resumed": [*before.get("resumed", []), entry]}


def describe_node(node: Node) -> dict[str, Any]:
    """Return a node's name, address and resources, and its GPUs, their driver and its versions if it was asked for them."""
    asked = ("gpu_models", "gpu_driver", "python", "tuner", "torch", "cuda")
    return {
        **{name: getattr(node, name) for name in ("host", "address", "cpus", "gpus")},
        **{name: node.facts[name] for name in asked if name in node.facts},
    }


def add_node(environment: Mapping[str, Any], node: Node) -> None:
    """Add a node that has joined to the nodes of a run, or of its latest resumption."""
    current = environment["resumed"][-1] if "resumed" in environment else environment
    current["nodes"].append({**describe_node(node), "joined_at": now()})


def now() -> str:
    """Return the current time in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the version of every package that can change results."""
    versions_by_name = {"tuner": __version__}
    for package in _PACKAGES:
        try:
            versions_by_name[package] = version(package)
        except PackageNotFoundError:
            versions_by_name[package] = "not installed"
    return versions_by_name


def _git_revision() -> dict[str, Any] | None:
    """Return the Git revision of the folder that the run was started in, None outside a repository."""
    try:
        revision = _git("rev-parse", "HEAD")
        return {"revision": revision, "has_changes": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    environment: Mapping[str, str] = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    completed = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=5, env=dict(environment)
    )
    return completed.stdout.strip()


def _describe_data(dataset: Dataset) -> dict[str, Any]:
    counts = label_counts(dataset)
    return {
        "labels": list(dataset.labels),
        "rows": {name: len(split) for name, split in dataset.splits.items()},
        "label_counts": {name: values.tolist() for name, values in counts.items()},
        "sources": {name: absolute(split.source) for name, split in dataset.splits.items()},
        "fingerprints": {absolute(source): digest for source, digest in dataset.fingerprints.items()},
        "notes": list(dataset.notes),
    }
