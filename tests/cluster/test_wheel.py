"""The wheel, built and installed in an environment of its own, works without the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory):
    """Return a function that calls the installed command in an empty folder. Dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT], check=True, timeout=240
    )
    (wheel,) = folder.glob("tuner-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=240)
    python = folder / "venv/bin/python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True, timeout=240)
    # A .pth file adds the folder of the dependencies, but does not read the .pth files in it: one of them names the repository.
    site = next((folder / "venv/lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    work = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*command: str) -> str:
        done = subprocess.run(
            [folder / "venv/bin" / command[0], *command[1:]],
            capture_output=True, text=True, cwd=work, env=environment, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    call.folder = work
    return call


def test_the_package_comes_from_the_wheel(installed) -> None:
    place = installed("python", "-c", "import tuner; print(tuner.__file__)")
    assert not Path(place).is_relative_to(ROOT)
    assert "/venv/lib/" in place


def test_the_shipped_spaces_are_in_the_wheel(installed) -> None:
    assert {path.stem for path in (ROOT / "search_spaces").glob("*.yaml")} <= set(installed("tuner", "init").split())


def test_a_search_and_its_report_need_no_repository(installed) -> None:
    settings = (
        "search.trials=2",
        "search.max_epochs=6",
        "search.finalists=1",
        "search.seeds=1",
        "space.learning_rate=0.01",
    )
    options = [part for setting in settings for part in ("--set", setting)]
    installed("tuner", "run", "sequence", "--name", "first", *options)
    assert json.loads(installed("tuner", "show", "first", "--format", "json"))["status"] == "finished"
    page = installed.folder / installed("tuner", "report", "first").strip()
    assert "plotly" in page.read_text().lower()
