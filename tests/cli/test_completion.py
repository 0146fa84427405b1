"""Tab completion, asked of a real Bash with the script that click writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
set -e
eval "$(_TUNER_COMPLETE=bash_source tuner)"
compopt() { options+=("$2"); }  # Bash allows it only while it completes
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); options=()
_tuner_completion tuner
printf '%s\\n' "${COMPREPLY[@]}" "${options[@]/#/-o }"
"""


@pytest.fixture
def complete(tmp_path: Path):
    """Return a function that completes the last of its words: the words offered, and what Bash is told to add."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/tuner"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tuner "$@"\n')
    command.chmod(0o755)
    for run in ("first", "second"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "environment.json").write_text("{}")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def ask(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", "tuner", *words],
            capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
        )  # fmt: skip
        return [line for line in done.stdout.splitlines() if line]

    return ask


@pytest.mark.parametrize("verb", ["show", "resume", "report", "diagnose", "verify", "predict", "evaluate"])
def test_runs_are_completed(verb: str, complete) -> None:
    assert complete(verb, "fi") == ["first", "-o dirnames"]


def test_the_second_of_two_runs_is_completed(complete) -> None:
    assert complete("compare", "first", "s") == ["second", "-o dirnames"]


def test_shipped_spaces_and_files_are_completed(complete) -> None:
    assert complete("run", "multi") == ["multiclass", "multilabel", "-o default"]
    assert complete("init", "q") == ["quick"]
    assert complete("predict", "first", "ro") == ["-o default"]
    assert complete("predict", "first", "rows.csv", "--out", "p") == ["-o default"]
    assert complete("report", "first", "--out", "p") == ["-o default"]
    assert complete("run", "--data", "ro") == ["-o default"]


def test_keys_of_settings_are_completed_without_a_space_after_them(complete) -> None:
    assert complete("run", "multilabel", "--set", "search.max_e") == ["search.max_epochs=", "-o nospace"]
    assert "space.clipping.norm.threshold=" in complete("run", "multilabel", "--set", "space.clipping")


def test_verbs_are_completed(complete) -> None:
    assert complete("va") == ["validate"]
