"""Runs that the tests of distilling share, so that each is searched once."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.distillable import write_distillable_run, write_rows


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run runs/first, its rows in rows.csv, and other rows in new.csv."""
    folder = tmp_path_factory.mktemp("plain")
    write_distillable_run(folder)
    write_rows(folder / "new.csv", rows=20, seed=9)
    return folder


@pytest.fixture(scope="session")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with two folds."""
    return write_distillable_run(tmp_path_factory.mktemp("folded"), folds=2)
