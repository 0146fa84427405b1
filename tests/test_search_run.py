"""A run that ends before its time leaves a ledger that says so. Without Ray: what the trials would do is a test's own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import LedgerError, SearchFailed, SearchInterrupted, SpaceError
from tuner.ledger import Ledger, read_run
from tuner.ray_backend.start import Machines, Node
from tuner.search.run import Watcher, _Search
from tuner.signals import sigterm_as_interrupt
from tuner.space.load import load_space

SPACE = """
task: multilabel
data: {train: rows.csv, labels: labels}
search: {trials: 2}
resources: {cpus: %s}
"""


class Search(_Search):
    """A search whose trials are one call, given as `trials`."""

    trials: Callable[[], Any]

    def _run_trials(self, *, is_cluster: bool) -> Any:
        return self.trials()


@pytest.fixture
def make_search(tmp_path: Path, make_dataset: Any) -> Callable[..., Search]:
    def make(trials: Callable[[], Any], *, cpus: int = 1) -> Search:
        (tmp_path / "space.yaml").write_text(SPACE % cpus)
        dataset = make_dataset("multilabel")
        search = Search(
            load_space(str(tmp_path / "space.yaml")),
            dataset,
            None,  # type: ignore[arg-type] - what trials would read
            Ledger(str(tmp_path / "run")),
            machines=Machines((Node(cpus=2, gpus=0),)),
            clock=lambda: 1.0,
            watcher=Watcher(say=lambda _text: None, watch=lambda _snapshot: None),
        )
        search.trials = trials
        return search

    return make


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_of_the_trials_leaves_a_manifest_too(number: int, make_search: Any, tmp_path: Path) -> None:
    search = make_search(lambda: signal.raise_signal(number))
    with sigterm_as_interrupt(), pytest.raises(SearchInterrupted, match="interrupted"):
        search.run(is_cluster=False)
    run = read_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.environment["machines"] == {"cpus": 2, "gpus": 0, "nodes": 1}


def test_a_failure_leaves_a_manifest_with_its_reason(make_search: Any, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match="no trial came to a report"):
        make_search(lambda: ()).run(is_cluster=False)
    assert "no trial came to a report" in read_run(tmp_path / "run").manifest["error"]


def test_a_run_that_took_the_name_meanwhile_is_left_as_it_is(make_search: Any, tmp_path: Path) -> None:
    search = make_search(lambda: ())
    Ledger.create(tmp_path / "run", space="", environment={"seed": 9})
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    with pytest.raises(LedgerError, match="another process is at work on this run"):
        search.run(is_cluster=False)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


def test_machines_without_room_for_a_trial_are_refused_before_anything_is_written(
    make_search: Any, tmp_path: Path
) -> None:
    with pytest.raises(
        SpaceError, match=r"cpus 3 .* a trial, but no node has as many: 2 CPUs and 0 GPUs; ask for less"
    ):
        make_search(lambda: (), cpus=3)
    assert not (tmp_path / "run").exists()
