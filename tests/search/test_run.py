"""A run that ends before its time leaves a ledger that says so. Without Ray: what the trials would do is a test's own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import LedgerError, SearchFailed, SearchInterrupted, SpaceError
from tuner.ledger.rows import Past, PastTrial
from tuner.ledger.run_directory import Ledger, read_run
from tuner.ray_backend.start import Machines, Node
from tuner.samplers.base import make_sampler
from tuner.search.run import Watcher, _Before, _Search
from tuner.signals import sigterm_as_interrupt
from tuner.space.load import load_space

SPACE = """
task: multilabel
data: {{train: rows.csv, labels: labels}}
search: {search}
resources: {{cpus: {cpus}}}
"""


class Search(_Search):
    """A search whose trials are one call, given as `trials`."""

    trials: Callable[[], Any]

    def _run_trials(self, *, is_cluster: bool) -> Any:
        return self.trials()


@pytest.fixture
def make_search(tmp_path: Path, make_dataset: Any) -> Callable[..., Search]:
    def make(
        trials: Callable[[], Any],
        *,
        cpus: int = 1,
        search: str = "{trials: 2}",
        clock: Callable[[], float] = lambda: 1.0,
        say: Callable[[str], None] = lambda _text: None,
        before: _Before | None = None,
    ) -> Search:
        (tmp_path / "space.yaml").write_text(SPACE.format(search=search, cpus=cpus))
        dataset = make_dataset("multilabel")
        made = Search(
            load_space(str(tmp_path / "space.yaml")),
            dataset,
            None,  # type: ignore[arg-type] - what trials would read
            Ledger(str(tmp_path / "run")) if before is None else Ledger.reopen(tmp_path / "run"),
            machines=Machines((Node(cpus=2, gpus=0),)),
            clock=clock,
            watcher=Watcher(say=say, watch=lambda _snapshot: None),
            before=before,
        )
        made.trials = trials
        return made

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


@pytest.mark.parametrize(
    ("budget", "spent_s", "told", "setting"),
    [
        (
            "{time: 5s}",
            12,
            "search.time allows 5 s, which were over before any trial came to a report",
            "search.time=5m",
        ),
        ("{time: 1h}", 3630, "search.time allows 3600 s", "search.time=121m"),
        ("{cost: 2, cost_per_hour: 8}", 900, "search.cost allows 900 s", "search.cost=4"),
    ],
)
def test_a_budget_that_was_over_before_any_report_leaves_what_to_resume_with(
    budget: str, spent_s: float, told: str, setting: str, make_search: Any, tmp_path: Path
) -> None:
    search = make_search(lambda: search._queue.next_order(), search=budget, clock=lambda: spent_s)
    with pytest.raises(SearchFailed, match=told):
        search.run(is_cluster=False)
    assert read_run(tmp_path / "run").manifest["resume_with"] == setting


def test_a_larger_budget_is_no_remedy_for_trials_that_fail(make_search: Any, tmp_path: Path) -> None:
    now = [1.0]

    def fail_until_the_time_is_over() -> None:
        order = search._queue.next_order()
        search._queue.started(order)
        search._queue.ended(order, "failed", "no torch")
        now[0] = 6.0
        assert search._queue.next_order() is None

    search = make_search(fail_until_the_time_is_over, search="{time: 5s}", clock=lambda: now[0])
    with pytest.raises(
        SearchFailed, match=r"no trial came to a report, so there is no champion: 1 failed \(no torch\)"
    ):
        search.run(is_cluster=False)
    assert "resume_with" not in read_run(tmp_path / "run").manifest


@pytest.mark.parametrize(
    ("endings", "told"),
    [
        (("stopped", None), "resumed: 1 trial has ended, 1 goes on"),
        (("stopped", "stopped", None, None), "resumed: 2 trials have ended, 2 go on"),
        ((), "resumed: 0 trials have ended, 0 go on"),
    ],
)
def test_a_resumed_run_says_how_many_trials_it_has(
    endings: tuple[str | None, ...], told: str, make_search: Any, tmp_path: Path
) -> None:
    with pytest.raises(SearchInterrupted), sigterm_as_interrupt():
        make_search(lambda: signal.raise_signal(signal.SIGINT)).run(is_cluster=False)
    sampler = make_sampler(load_space(str(tmp_path / "space.yaml")))
    trials = [
        PastTrial(
            index=index,
            phase="search",
            parent=None,
            configuration=sampler.ask(index),
            seed=0,
            starts=1,
            started_s=0.0,
            ending=ending,
            reason="",
        )
        for index, ending in enumerate(endings)
    ]
    said: list[str] = []
    before = _Before(read_run(tmp_path / "run"), Past(trials, [], seconds=1.0))
    with pytest.raises(SearchFailed):
        make_search(lambda: (), say=said.append, before=before).run(is_cluster=False)
    assert said[0] == told


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
