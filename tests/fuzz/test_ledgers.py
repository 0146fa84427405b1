"""Seeded damage to a run's directory: every command that reads runs exits with 0, 1 or 2, without a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.fuzz import OF_BYTES, Generator, snapshot
from builders.odd_json import odd_json
from builders.runs import write_run

COMMANDS = {
    "show": ["show", "made-up", "--runs", "."],
    "verify": ["verify", "made-up", "--runs", "."],
    "show --all": ["show", "made-up", "--runs", ".", "--all", "--format", "json"],
    "report": ["report", "made-up", "--runs", ".", "--out", "page.html"],
    "diagnose": ["diagnose", "made-up", "--runs", "."],
    "ls": ["ls", "--runs", "."],
}


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("sound"), trials=12)


def spoil(run: Path, random: Generator) -> None:
    """Damage one file of a run, delete it, replace it by a folder, or add a file that does not belong."""
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    path = run / names[random.integers(len(names))]
    chance = random.random()
    if chance < 0.45 and path.suffix == ".json":
        path.write_bytes(odd_json(path.read_bytes(), random))
    elif chance < 0.8:
        path.write_bytes(OF_BYTES[random.integers(len(OF_BYTES))](path.read_bytes(), random))
    elif chance < 0.87:
        path.unlink()
    elif chance < 0.94:
        path.unlink()
        path.mkdir()
    else:
        (run / names[random.integers(len(names))]).with_suffix(".pkl").write_bytes(b"\x80\x04")


def look(call: Any, command: str) -> tuple[int, str]:
    before = snapshot(Path("made-up"))
    code, out, err = call(*COMMANDS[command])
    assert code in (0, 1, 2), err
    assert "Traceback" not in out + err
    assert "error: unexpected" not in err or not Path("made-up", "manifest.json").exists(), err
    assert snapshot(Path("made-up")) == before
    assert code != 2 or "; " in err.splitlines()[-1]
    return code, err


def copy_of(sound: Path, call: Any) -> Path:
    call("--version")  # changes to the folder of the test
    return Path(shutil.copytree(sound, "made-up"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sound_run_is_read_by_every_command(command: str, sound: Path, call: Any) -> None:
    copy_of(sound, call)
    assert look(call, command)[0] == 0


@pytest.mark.parametrize("seed", range(60))
def test_verify_reports_a_damaged_run(seed: int, sound: Path, call: Any) -> None:
    random = np.random.default_rng((seed, 6))
    run = copy_of(sound, call)
    whole = snapshot(run)
    spoil(run, random)
    code, _ = look(call, "verify")
    now = snapshot(run)
    changed = {name for name in {**whole, **now} if whole.get(name) != now.get(name)}
    assert code == 1 or changed <= {"manifest.json"}  # it has no checksum, and without it the run looks cut off
    look(call, list(COMMANDS)[2 + seed // 3 % 4] if seed % 3 == 0 else "show")


@pytest.mark.parametrize("seed", range(30))
def test_no_command_ends_in_a_traceback_on_a_damaged_run_without_a_manifest(seed: int, sound: Path, call: Any) -> None:
    random = np.random.default_rng((seed, 7))
    run = copy_of(sound, call)
    (run / "manifest.json").unlink()
    spoil(run, random)
    look(call, ["show", "verify", "diagnose", "report"][seed % 4])


def test_json_that_python_cannot_read_is_reported(sound: Path, call: Any) -> None:
    run = copy_of(sound, call)
    (run / "champion.json").write_text("9" * 10_000)
    code, err = look(call, "show")
    assert code == 0
    assert "warning: " in err
    assert "champion.json: not valid JSON" in err
    (run / "champion.json").write_text(json.dumps({"a": "b"})[:-1])
    assert look(call, "show")[0] == 0


def test_labels_do_not_control_the_terminal(tmp_path: Path, call: Any) -> None:
    write_run(tmp_path, trials=12, labels=("joy\x1b[31m", "an\nger", "fear\u202e", "rare\x07"))
    for command in ("show", "diagnose"):
        code, out, err = call(*COMMANDS[command], *(["--all"] if command == "show" else []))
        assert code == 0
        assert not set(out + err) & set("\x1b\x07\u202e")
    assert "joy\\x1b[31m" in call(*COMMANDS["show"])[1]
