"""What is said about a file of a cluster before `ray up` reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from ray import autoscaler

from tuner.ray_backend.cluster_file import check_cluster_file

ROOT = Path(__file__).parents[2]
SHIPPED = ("cluster.yaml", "deploy/aws.yaml", "deploy/gcp.yaml")
UNFILLED = "which stands for a"

Check: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a token and a key, seen from the folder of the repository."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    for name in (".ray/auth_token", ".ssh/id_ed25519"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text("secret")
        file.chmod(0o600)
    return tmp_path


@pytest.fixture
def check(home: Path) -> Check:
    """Return a function that changes a shipped file, filled in, and returns what is said about it."""

    def changed(*changes: tuple[str, str], name: str = "cluster.yaml") -> list[str]:
        text = (ROOT / name).read_text().replace("192.0.2.", "127.0.0.").replace("EDIT", "mine")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        file = home / "c.yaml"
        file.write_text(text)
        return [str(fault).removeprefix(f"{home}/") for fault in check_cluster_file(file)]

    return changed


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_have_only_places_to_fill_in(home, name):
    faults = [str(fault) for fault in check_cluster_file(Path(name))]
    assert faults
    assert [fault for fault in faults if UNFILLED not in fault] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_have_no_fault_once_they_are_filled_in(check, name):
    assert check(name=name) == []


BLOCK = "--block --port=6379"
TOKEN = "  ~/.ray/auth_token: ~/.ray/auth_token\n"
CASES = {
    "misspelt key": (
        ("setup_commands:", "setup_comands:"),
        r"c\.yaml:\d+: setup_comands: Ray knows no such key; did you mean 'setup_commands'\?",
    ),
    "wrong type": (
        ("rsync_exclude: [.venv, .git, runs]", "rsync_exclude: .venv"),
        r"c\.yaml:\d+: rsync_exclude: is \.venv, but must be a list; make it a list",
    ),
    "missing key": (("cluster_name: tuner\n", ""), r"c\.yaml:\d+: 'cluster_name' is missing; write cluster_name: …"),
    "missing head": (
        ("  head_ip: 127.0.0.10 # mine: the head node\n", ""),
        r"c\.yaml:\d+: provider: Ray refuses the file: Please supply a `head_ip`",
    ),
    "unknown provider": (
        ("type: local", "type: locl"),
        r"c\.yaml:\d+: provider: Ray refuses the file: Unsupported node provider: locl",
    ),
    "no token on the nodes": (
        (TOKEN, ""),
        r"head_start_ray_commands\[1\]: asks for a token, but no node gets one, so Ray does not start; run "
        r"`ray get-auth-token --generate`, and write under file_mounts",
    ),
    "no token asked for": (
        ("RAY_AUTH_MODE=token ", ""),
        r"worker_start_ray_commands\[1\]: starts Ray without a token, so anyone who reaches the machine can run code on it; "
        r"write RAY_AUTH_MODE=token before the command",
    ),
    "no block": (
        (BLOCK, "--port=6379"),
        r"head_start_ray_commands\[1\]: starts Ray without --block, .*; start it with deploy/start-ray and --block",
    ),
    "blocks forever": (
        ("deploy/start-ray --head", ".venv/bin/ray start --head"),
        r"head_start_ray_commands\[1\]: never ends because of --block, and `ray up` waits until it does; "
        r"write deploy/start-ray instead",
    ),
    "head without the file": (
        ("--autoscaling-config=~/ray_bootstrap_config.yaml", ""),
        r"head_start_ray_commands\[1\]: starts a head that does not know this file, so no other node ever starts",
    ),
    "autoscaler that leaves a machine out": (
        ("RAY_enable_autoscaler_v2=0 ", ""),
        r"head_start_ray_commands\[1\]: uses version 2 of Ray's autoscaler, which .* starts one too few; write RAY_enable",
    ),
    "worker without the head": (
        ("--address=$RAY_HEAD_IP:6379", ""),
        r"worker_start_ray_commands\[1\]: does not name the head, so the node joins no cluster; add --address=",
    ),
    "own start commands absent": (
        ("worker_start_ray_commands:", "worker_setup_commands:"),
        r"c\.yaml:\d+: worker_start_ray_commands is missing, and Ray's own commands start it without a token",
    ),
    "mount of nothing": (
        ("~/tuner: .", "~/tuner: ./absent"),
        r"file_mounts\.~/tuner: \./absent does not exist in .*; name a",
    ),
    "mount of a number": (("~/tuner: .", "~/tuner: 5"), r"file_mounts\.~/tuner: must be a path of this machine"),
    "key of nobody": (
        ("id_ed25519", "id_absent"),
        r"auth\.ssh_private_key: ~/\.ssh/id_absent does not exist; name the",
    ),
    "runs in a folder of the head": (
        ("--runs /mnt/tuner/runs", "--runs runs"),
        r"c\.yaml:\d+: `tuner run` with --runs runs writes to a folder of one node, which the others cannot see; name a",
    ),
    "runs nowhere": (
        (" --runs /mnt/tuner/runs", ""),
        r"c\.yaml:\d+: `tuner run` with no --runs writes to a folder of one node",
    ),
}


def test_a_value_that_may_have_two_types_says_both(check):
    faults = check(("project_id: mine", "project_id: 5"), name="deploy/gcp.yaml")
    assert re.search(r"provider\.project_id: is 5, but must be text or null; make it text or null", faults[0])


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES)
def test_a_fault_is_said_with_its_line_and_remedy(check, change, message):
    faults = check(change)
    assert any(re.search(message, fault) for fault in faults), faults


def test_version_2_of_the_autoscaler_still_does_not_record_a_local_head():
    """Only version 1 calls this function. Once version 2 does, cluster.yaml needs no RAY_enable_autoscaler_v2=0."""
    folder = Path(autoscaler.__file__).parent
    assert "record_local_head_state_if_needed" in (folder / "_private" / "autoscaler.py").read_text()
    assert not [file for file in folder.rglob("v2/**/*.py") if "record_local_head_state" in file.read_text()]


def test_a_cloud_says_when_idle_machines_stop(check):
    (fault,) = check(("idle_timeout_minutes: 10\n", ""), name="deploy/aws.yaml")
    assert "idle_timeout_minutes is missing" in fault


def test_all_faults_are_said_at_once_in_the_order_of_lines(check):
    faults = check((TOKEN, ""), (BLOCK, ""), ("rsync_exclude", "rsync_excluded"))
    lines = [int(fault.split(":")[1]) for fault in faults]
    assert len(faults) == 4
    assert lines == sorted(lines)


def test_a_token_that_is_not_made_yet_is_named_with_the_command_that_makes_it(check, home):
    (home / ".ray" / "auth_token").unlink()
    (fault,) = check()
    assert re.search(r"auth_token does not exist in .*; make it: `ray get-auth-token --generate`", fault)


def test_a_token_that_other_users_can_read_is_refused(check, home):
    (home / ".ray" / "auth_token").chmod(0o644)  # as Ray makes it
    (fault,) = check()
    assert (
        "can be read by other users of this machine, and then by those of every node; run `chmod 600 ~/.ray/" in fault
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no keys with values"),
        ("- a\n", "holds no keys with values"),
        ("a: [1\n", r"c\.yaml:\d: cannot be read as YAML"),
        ("a: 1\na: 2\n", r"c\.yaml:2: a: the key appears twice"),
        (
            "apiVersion: ray.io/v1\nkind: RayCluster\n",
            "describes a RayCluster for Kubernetes, .*`kubectl apply --dry-run=server",
        ),
    ],
)
def test_a_file_that_is_no_cluster_file_is_refused(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    assert re.search(message, "\n".join(map(str, check_cluster_file(file))))
