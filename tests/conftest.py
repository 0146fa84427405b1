"""Fixtures that many tests share. What they return is built in tests/builders."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# Read when torch is imported. On cores that others use too, a second thread makes small models several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from builders import configurations, datasets
from builders.fixtures import Call, Configure, MakeDataset, PrepareFor
from tuner.__main__ import main

# A shell that starts the tests in the background makes them, and all their children, ignore the Ctrl-C that tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a test.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")


@pytest.fixture(scope="session")
def configure() -> Configure:
    """Return `builders.configurations.configure`, which makes a small configuration."""
    return configurations.configure


@pytest.fixture(scope="session")
def prepare_for() -> PrepareFor:
    """Return `builders.configurations.prepare_for`, which prepares a data set for one configuration."""
    return configurations.prepare_for


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """Return `builders.datasets.make_dataset`, which makes a small data set."""
    return datasets.make_dataset


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Return a function that calls the command line in the test's folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tuner", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run
