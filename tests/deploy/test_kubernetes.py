"""The files in deploy/kubernetes/ against the schemas of KubeRay and Kubernetes. scripts/kubernetes-schemas made these."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
import ray
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
SCHEMAS = Path(__file__).with_name("kubernetes.json")
STUB = """#!/bin/sh
case $1 in
  apply) cat >>applied ;;
  get) case $* in *jobDeploymentStatus*) sed -n "$(($(wc -l <asked) + 1))p" states; echo >>asked ;; *) echo why ;; esac ;;
esac
"""

Night: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@cache
def _schemas() -> dict[str, Any]:
    return dict(json.loads(SCHEMAS.read_text()))


def _faults(manifest: dict[str, Any]) -> list[str]:
    schema = {**_schemas()["kinds"][manifest["kind"]], "$defs": _schemas()["$defs"]}
    return [
        f"{error.json_path}: {error.message}" for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    ]


def _manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_manifests_fit_the_schemas(file):
    assert [fault for manifest in _manifests(file.name) for fault in _faults(manifest)] == []


def test_the_schemas_refuse_a_key_that_they_do_not_know():
    (cluster,) = _manifests("raycluster.yaml")
    cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["tolerationz"] = []
    assert [fault for fault in _faults(cluster) if "tolerationz" in fault]


def test_a_job_starts_the_cluster_that_stands_otherwise():
    (cluster,), (job,) = _manifests("raycluster.yaml"), _manifests("rayjob.yaml")
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]


def test_clusters_ask_for_a_token_and_run_the_release_of_ray_that_is_pinned():
    (cluster,) = _manifests("raycluster.yaml")
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    assert cluster["spec"]["rayVersion"] == ray.__version__


def test_a_job_can_be_repeated():
    (job,) = _manifests("rayjob.yaml")
    assert "--resume-or-start" in job["spec"]["entrypoint"]
    assert job["spec"]["backoffLimit"] > 0


def test_nights_do_not_overlap_and_are_not_made_up_for_in_turn():
    cron = _manifests("nightly.yaml")[-1]["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert cron["startingDeadlineSeconds"] < 24 * 3600
    assert cron["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Return a function that runs what the CronJob runs, with a `kubectl` that answers with one state after another."""
    (pod,) = _manifests("nightly.yaml")[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    script = pod["args"][0].replace("/night/", f"{FOLDER}/").replace("sleep 30", "sleep 0")
    stub = tmp_path / "kubectl"
    stub.write_text(STUB)
    stub.chmod(0o755)

    def run(*states: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "asked").write_text("")
        (tmp_path / "states").write_text("\n".join(states))
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [*pod["command"], script]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    return run


def test_a_night_submits_the_job_under_its_date(night, tmp_path):
    assert night("Initializing", "Running", "Complete").returncode == 0
    (job,) = yaml.safe_load_all((tmp_path / "applied").read_text())
    name = job["metadata"]["name"]
    assert name.startswith("tuner-2")
    assert f"--name {name.removeprefix('tuner-')} " in job["spec"]["entrypoint"]
    assert len(name) <= 47  # KubeRay allows no more


def test_a_night_that_failed_says_why(night):
    done = night("Failed")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "why")
