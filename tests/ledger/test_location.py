"""Runs and bundles by path and by name, from Python as from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuner
from builders.bundle import write_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from tuner.errors import BundleError


@pytest.fixture
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run named first below ./runs."""
    monkeypatch.chdir(tmp_path)
    write_bundle(Path("runs/first/champion"), configure(), make_dataset("multiclass"))
    Path("runs/first/environment.json").write_text("{}")


@pytest.mark.usefixtures("_run")
@pytest.mark.parametrize("name", ["first", "runs/first", "runs/first/", "runs/first/champion", Path("runs") / "first"])
def test_load_knows_names_and_paths(name: str | Path) -> None:
    assert tuner.load(name).labels == ("a", "b", "c")


@pytest.mark.usefixtures("_run")
def test_a_path_to_a_bundle_wins_over_a_name() -> None:
    write_bundle(Path("first"), configure(), make_dataset("binary"))
    assert tuner.load("first").task == "binary"


@pytest.mark.usefixtures("_run")
def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(BundleError, match="no run of this name in runs; did you mean 'first'"):
        tuner.load("frist")


def test_without_runs_the_error_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="give the directory of a bundle or of a run"):
        tuner.load("first")
