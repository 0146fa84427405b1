"""A run with damaged or missing files shows the rest, and names each of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.fixtures import Call
from builders.runs import write_run

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("sound"), trials=12)


@pytest.fixture
def broken(sound: Path, call: Call) -> Path:
    """A copy of a sound run, named broken, below runs/ in the folder of the test."""
    call("--version")
    return Path(shutil.copytree(sound, "runs/broken"))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Damage] = {
    "missing": lambda path: path.unlink(),
    "not JSON": lambda path: path.write_text('{"a": '),
    "empty": lambda path: path.write_bytes(b""),
    "of another kind": lambda path: path.write_text('{"a": 3}' if path.name == "baselines.json" else "[3]"),
    "other content": lambda path: path.write_text('[{"a": 3}]' if path.name == "baselines.json" else '{"a": 3}'),
    "a folder": make_folder,
}
FILES = ("champion.json", "manifest.json", "data.json", "baselines.json", "environment.json")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_show_prints_the_rest_and_names_the_file(name: str, damage: str, broken: Path, call: Call) -> None:
    DAMAGES[damage](broken / name)
    code, out, err = call("show", "broken")
    assert code == 0, err
    assert "leaderboard, on validation" in out
    assert ("champion per label, on test" in out) == (name != "champion.json")
    if (name, damage) == ("manifest.json", "missing"):
        assert "the run was cut off, or has lost its manifest.json" in err
    else:
        assert f"broken/{name}: " in err
        assert err.startswith("warning: ")
    described = json.loads(call("show", "broken", "--format", "json")[1])
    assert bool(described["champion"]) == (name != "champion.json")


@pytest.mark.parametrize("name", ["space.yaml", "trials", "reports", "predictions"])
@pytest.mark.parametrize("damage", ["missing", "other content"])
def test_other_files_are_named_too(name: str, damage: str, broken: Path, call: Call) -> None:
    path = broken / name
    part = path if path.is_file() else next(iter(sorted(path.iterdir())))
    DAMAGES[damage](part)
    code, out, err = call("show", "broken")
    assert code == 0, err
    assert "champion per label, on test" in out
    assert f"broken/{part.relative_to(broken)}: " in err


def test_a_run_of_which_nothing_is_left_is_an_error(broken: Path, call: Call) -> None:
    for name in ("champion.json", "manifest.json", "data.json", "baselines.json"):
        (broken / name).unlink()
    shutil.rmtree(broken / "trials")
    (broken / "environment.json").write_text("{")
    code, out, err = call("show", "broken")
    assert (code, out) == (2, "")
    assert "environment.json: not valid JSON" in err


def test_a_sound_run_has_no_warning(broken: Path, call: Call) -> None:
    assert call("show", "broken")[::2] == (0, "")


def test_the_report_is_written_without_what_cannot_be_read(broken: Path, call: Call) -> None:
    (broken / "champion.json").write_text('{"a": 3}')
    code, out, err = call("report", "broken")
    assert code == 0
    assert Path(out.strip()).is_file()
    assert "note: Damaged: " in err
    assert "broken/champion.json: " in err
    assert "the test split is still sealed" not in err
