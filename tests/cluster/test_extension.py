"""A finished run is given more, as a person does it: the real command in its own process, on a real Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tuner
from builders.searches import command, make_rows, wait_until, write_space
from tuner.ledger.run_directory import read_run
from tuner.ledger.verify import verify

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SHORT = ("--set", "search.trials=2", "--set", "search.max_epochs=3", "--set", "search.finalists=1")


def call(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300, cwd=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    space = write_space(folder, "multiclass", "label: kind")
    space.write_text(space.read_text().replace(f"{folder}/", ""))  # a relative path, of a run that is resumed elsewhere
    pq.write_table(make_rows(400).slice(300), folder / "fresh.parquet")
    done = call("run", "space.yaml", "--name", "first", *SHORT, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "first"


def test_a_run_that_is_extended_by_trials_keeps_what_it_had_and_tells_of_its_earlier_verdict(finished: Path) -> None:
    before = read_run(finished)
    done = call(
        "resume", finished, "--set", "search.trials=4", "--set", f"data.judge={finished.parents[1]}/fresh.parquet"
    )
    assert done.returncode == 0, done.stderr
    assert "note: the test split has been seen" in done.stderr
    after = read_run(finished)
    assert list(after.trials[: len(before.trials)]) == list(before.trials)
    searched = [row["configuration_hash"] for row in after.trials if row["phase"] == "search"]
    assert len(searched) == len(set(searched)) == 4
    seeds = Counter((row["parent"], row["seed"]) for row in after.trials if row["phase"] == "finalist")
    assert max(seeds.values()) == 1
    earlier = after.champion["earlier"][0]
    assert (earlier["trials"], earlier["verdict"]) == (2, before.champion["verdict"])
    assert earlier["test"]["macro_f1"] == before.champion["test"]["macro_f1"]
    assert after.champion["judge"]["rows"] > 0
    assert after.manifest["extensions"][0]["settings"][0] == "search.trials=4"
    assert verify(finished).faults == ()


def test_an_extension_that_is_killed_goes_on_and_the_earlier_champion_serves_meanwhile(finished: Path) -> None:
    before, predicts = read_run(finished), tuner.load(finished).predict(["fig apple"])
    tried = len(before.trials)
    process = subprocess.Popen(
        command("resume", finished, "--set", "search.trials=12", "--set", "resources.concurrent=1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: sum(row["ending"] is not None for row in read_run(finished).trials) > tried, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cut = read_run(finished)
    assert cut.is_being_extended
    assert verify(finished).faults == ()
    assert tuner.load(finished).predict(["fig apple"]) == predicts
    shown = call("show", finished)
    assert shown.returncode == 0, shown.stderr
    assert "the run is being extended" in shown.stdout
    done = call("resume", finished)
    assert done.returncode == 0, done.stderr
    after = read_run(finished)
    assert sum(row["phase"] == "search" for row in after.trials) == 12
    assert len(after.champion["earlier"]) == len(after.manifest["extensions"]) == 2
    assert verify(finished).faults == ()
    assert json.loads(call("show", finished, "--format", "json").stdout)["champion"]["earlier"]
