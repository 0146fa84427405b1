"""`tuner report` on the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builders.runs import write_run
from tuner.cli import tuner
from tuner.errors import UsageError


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), trials=20)


def invoke(*arguments: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(tuner, ["report", *arguments], standalone_mode=False)


def test_the_page_goes_to_the_working_directory_and_its_path_to_stdout(
    location: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("made-up", "--runs", str(location.parent))
    page = tmp_path / "made-up-report.html"
    assert done.stdout == f"{page}\n"
    assert f"{page.stat().st_size / 1e6:.1f} MB" in done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_out_names_the_page_and_the_run_stays_unchanged(location: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    invoke(str(location), "--out", str(tmp_path / "new" / "page.html"))
    assert (tmp_path / "new" / "page.html").is_file()
    files = json.loads((location / "manifest.json").read_text())["files"]
    assert {str(path.relative_to(location)) for path in location.rglob("*") if path.is_file()} == {
        *files,
        "manifest.json",
    }
    for name, entry in files.items():
        assert hashlib.sha256((location / name).read_bytes()).hexdigest() == entry["sha256"]


def test_run_and_page_may_lie_in_any_file_system(location: Path, tmp_path: Path) -> None:
    done = invoke(location.as_uri(), "--out", f"{tmp_path.as_uri()}/page.html")
    assert done.exit_code == 0
    assert (tmp_path / "page.html").is_file()


def test_a_file_that_is_not_a_page_is_never_overwritten(location: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--out: '.*rows\.csv' is not the name of an HTML file; use a name that ends in \.html"
    ):
        invoke(str(location), "--out", str(tmp_path / "rows.csv"))


def test_a_missing_folder_is_not_created(location: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*/new; create it first, or name an existing folder"):
        invoke(str(location), "--out", str(tmp_path / "new" / "page.html"))
    assert list(tmp_path.iterdir()) == []


def test_missing_evidence_is_noted(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=20, has_champion=False, is_finished=False)
    done = invoke(str(location), "--out", str(tmp_path / "page.html"))
    assert "note: There is no champion" in done.stderr
