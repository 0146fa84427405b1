"""The command that can be repeated, with real searches that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.searches import command, wait_until, write_space
from tuner.ledger.run_directory import read_run

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that gives the command once more, in its own process."""
    space = write_space(tmp_path, "multiclass", "label: kind")
    words = command("run", space, "--name", "night", "--resume-or-start", "--runs", tmp_path, "--format", "json")

    def start(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*words, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
        )

    return start


def test_a_second_command_waits_goes_on_after_a_kill_and_a_third_finds_the_run_finished(
    tmp_path: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    first = begin()
    wait_until(lambda: list(tmp_path.glob("night/reports/*.parquet")), first)
    second = begin()
    assert second.stderr is not None
    said = ""
    while "waiting until it ends" not in said:
        line = second.stderr.readline()
        assert line, said
        said += line
    assert f"another process is at work on this run (process {first.pid} on " in said
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, rest = second.communicate(timeout=120)
    assert second.returncode == 0, rest
    assert "resumed: " in rest
    run = read_run(tmp_path / "night")
    assert run.status == "finished"
    assert len(run.environment["resumed"]) == 1
    assert all(row["ending"] for row in run.trials)

    third = begin()
    _, said = third.communicate(timeout=60)
    assert third.returncode == 0, said
    assert "night is finished, and nothing has changed" in said
    assert read_run(tmp_path / "night") == run


def test_a_run_that_was_killed_while_it_began_goes_on(
    tmp_path: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    """What a process leaves that is killed between its first two writes is neither a damaged run nor one in the way."""
    settings = ("trials=2", "max_epochs=2", "finalists=1", "seeds=1")
    words = [word for setting in settings for word in ("--set", f"search.{setting}")]
    first = begin(*words)
    wait_until(lambda: (tmp_path / "night" / "environment.json").exists(), first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    for path in sorted((tmp_path / "night").rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.name not in (".lock", "environment.json"):
            path.unlink()
    (tmp_path / "night" / "space.yaml.12345678.draft").write_text("half of a spa")
    second = begin(*words)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert read_run(tmp_path / "night").status == "finished"
