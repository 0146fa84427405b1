"""The other files in deploy/, each checked by the program that knows its kind."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(file for file in DEPLOY.rglob("*") if file.is_file() and not file.name.endswith(".dockerignore"))
STUBS = {
    "scontrol": 'case $1 in show) echo a; echo b ;; *) echo "$@" >>requeued ;; esac',
    "srun": 'echo "$RAY_AUTH_MODE ${#RAY_AUTH_TOKEN} $*" >>started; sleep "$SRUN_SECONDS"; exit "$RAY_CODE"',
    "ray": 'exit "$RAY_CODE"',
    "tuner": """
trap 'exit 130' TERM
sleep 0.3
echo "$@" >searched
for _ in $(seq "$TUNER_STEPS"); do sleep 0.1; done
exit "$TUNER_CODE"
""",
}


def _check(program: str, *arguments: str) -> None:
    found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([found, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_is_headed_by_its_command(file):
    comments = re.findall(r"^#.*$", file.read_text(), re.MULTILINE)
    command = re.compile(rf"^#  +\S.*{re.escape(file.stem)}")
    assert any(command.match(line) for line in comments) or file.suffix == ".timer"


def test_the_image_follows_the_rules_for_images():
    _check("hadolint", "deploy/Dockerfile")


def test_the_shell_scripts_follow_the_rules_for_scripts():
    _check("shellcheck", "deploy/slurm.sh", "deploy/start-ray", "scripts/setup")


def test_systemd_takes_the_units():
    _check("systemd-analyze", "verify", *(str(file) for file in sorted(DEPLOY.glob("systemd/*"))))


def test_the_timer_starts_every_night():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    (when,) = re.findall(r"OnCalendar=(.*)", (DEPLOY / "systemd/tuner-night.timer").read_text())
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=3", when], capture_output=True, text=True, check=True
    )
    assert len(re.findall(r" 01:00:00 ", shown.stdout)) == 3


def test_what_the_image_copies_is_enough_to_build_tuner(tmp_path):
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for line in re.findall(r"^COPY (.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for name in line.split():
            assert any(fnmatch.fnmatch(f"!{name}", rule) for rule in ignored), f"{name} is not sent to the builder"
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, capture_output=True, check=True
    )
    assert list(tmp_path.glob("dist/*.whl"))


@pytest.fixture
def slurm(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a function that starts the script as Slurm does, with programs that only note what they get."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in STUBS.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (programs / name).chmod(0o755)

    def start(*, steps: int = 0, code: int = 0, ray: int = 0, srun_seconds: int = 0) -> subprocess.Popen[bytes]:
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "[a-b]", "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "8"}
        own = {
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "TUNER_STEPS": str(steps),
            "TUNER_CODE": str(code),
            "RAY_CODE": str(ray),
            "SRUN_SECONDS": str(srun_seconds),
            "PATH": "/usr/bin:/bin",
        }
        return subprocess.Popen(["bash", str(DEPLOY / "slurm.sh"), "multilabel", "--name", "first"], env={**job, **own})

    return start


def test_a_slurm_job_starts_every_node_with_its_token_and_ends_as_the_search_does(slurm, tmp_path):
    assert slurm(code=3).wait(timeout=30) == 3
    head, others = sorted((tmp_path / "started").read_text().splitlines(), key=lambda line: "--head" not in line)
    assert head.startswith("token 64 --nodes=1 --ntasks=1 --nodelist=a ray start --block --head --port=20007 ")
    assert "--num-cpus=8 --num-gpus=0" in head
    assert others.startswith("token 64 --nodes=1 --ntasks=1 --exclude=a ray start --block --address=a:20007 ")
    assert "multilabel --name first --resume-or-start --address a:20007" in (tmp_path / "searched").read_text()
    assert not (tmp_path / "requeued").exists()


def test_a_slurm_job_whose_head_does_not_start_fails_at_once(slurm, tmp_path):
    assert slurm(ray=1).wait(timeout=30) == 1
    assert not (tmp_path / "searched").exists()


@pytest.mark.parametrize(
    ("given", "begun"),
    [({"steps": 300}, "searched"), ({"ray": 1, "srun_seconds": 20}, "started")],
    ids=["searches", "starts Ray"],
)
def test_a_slurm_job_whose_time_is_over_goes_back_to_the_queue(slurm, tmp_path, given, begun):
    job = slurm(**given)
    while not (tmp_path / begun).exists():
        assert job.poll() is None
    job.terminate()
    assert job.wait(timeout=30) == 130
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
