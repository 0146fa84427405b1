"""A run that ends early leaves a ledger that says so. Without Ray: each test brings its own trials."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import LedgerError, SearchFailed, SearchInterrupted, SpaceError
from tuner.ledger.rows import RecordedRun, RecordedTrial
from tuner.ledger.run_directory import Ledger, read_run
from tuner.ray_backend.start import Machines, Node
from tuner.samplers.base import make_sampler
from tuner.search.gpu_packing import GpuMeasurement, Packing, choose_packing
from tuner.search.run import EarlierRun, SearchRun
from tuner.search.search_data import SearchData
from tuner.search.watcher import Watcher
from tuner.signals import sigterm_as_interrupt
from tuner.space.load import load_space

SPACE = """
task: multilabel
data: {{train: rows.csv, labels: labels}}
search: {search}
resources: {{cpus: {cpus}}}
"""


class WatchedSearch(SearchRun):
    """A search that calls `trials` in place of running trials."""

    trials: Callable[[], Any]

    def _run_trials(self, *, is_cluster: bool) -> Any:
        return self.trials()


@pytest.fixture
def make_search(tmp_path: Path, make_dataset: Any) -> Callable[..., WatchedSearch]:
    def make(
        trials: Callable[[], Any],
        *,
        cpus: int = 1,
        search: str = "{trials: 2}",
        clock: Callable[[], float] = lambda: 1.0,
        say: Callable[[str], None] = lambda _text: None,
        earlier: EarlierRun | None = None,
        packing: Packing | None = None,
    ) -> WatchedSearch:
        (tmp_path / "space.yaml").write_text(SPACE.format(search=search, cpus=cpus))
        dataset = make_dataset("multilabel")
        made = WatchedSearch(
            load_space(str(tmp_path / "space.yaml")),
            SearchData(dataset, None, Machines((Node(cpus=2, gpus=0),))),  # type: ignore[arg-type] - trials read no rows
            Ledger(str(tmp_path / "run")) if earlier is None else Ledger.reopen(tmp_path / "run"),
            clock=clock,
            watcher=Watcher(say=say, watch=lambda _snapshot: None),
            earlier=earlier,
            packing=packing,
        )
        made.trials = trials
        return made

    return make


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_the_trials_leaves_a_manifest_too(number: int, make_search: Any, tmp_path: Path) -> None:
    search = make_search(lambda: signal.raise_signal(number))
    with sigterm_as_interrupt(), pytest.raises(SearchInterrupted, match="interrupted"):
        search.run(is_cluster=False)
    run = read_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.environment["machines"] == {"cpus": 2, "gpus": 0, "nodes": 1}


def test_the_ledger_says_how_many_trials_share_a_gpu_and_why(make_search: Any, tmp_path: Path) -> None:
    measured = GpuMeasurement(gpu="H200", rates={1: 300.0, 2: 590.0})
    packing = choose_packing(measured, most=2)
    with pytest.raises(SearchFailed, match="no trial was measured"):
        make_search(lambda: (), packing=packing).run(is_cluster=False)
    assert read_run(tmp_path / "run").environment["packing"] == packing.entry()


def test_a_failure_leaves_a_manifest_with_its_reason(make_search: Any, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match="no trial was measured"):
        make_search(lambda: ()).run(is_cluster=False)
    assert "no trial was measured" in read_run(tmp_path / "run").manifest["error"]


@pytest.mark.parametrize(
    ("budget", "spent_s", "message", "setting"),
    [
        (
            "{time: 5s}",
            12,
            "search.time allows 5 s, which was too short to measure any trial",
            "search.time=5m",
        ),
        ("{time: 1h}", 3630, "search.time allows 3600 s", "search.time=121m"),
        ("{cost: 2, cost_per_hour: 8}", 900, "search.cost allows 900 s", "search.cost=4"),
    ],
)
def test_a_budget_too_short_for_one_measurement_leaves_the_setting_to_resume_with(
    budget: str, spent_s: float, message: str, setting: str, make_search: Any, tmp_path: Path
) -> None:
    search = make_search(lambda: search._queue.next_order(), search=budget, clock=lambda: spent_s)
    with pytest.raises(SearchFailed, match=message):
        search.run(is_cluster=False)
    assert read_run(tmp_path / "run").manifest["resume_with"] == [setting]


@pytest.mark.parametrize(
    ("is_started", "message"),
    [(False, r"allows 5 s, in which no worker started \(on a cluster,"), (True, "allows 5 s, which was too short")],
)
def test_a_search_without_a_measurement_says_whether_any_worker_started(
    is_started: bool, message: str, make_search: Any
) -> None:
    now = [1.0]

    def wait_until_the_time_is_over() -> None:
        order = search._queue.next_order()
        if is_started:
            search._queue.started(order)
        now[0] = 6.0
        search._queue.run_out()

    search = make_search(wait_until_the_time_is_over, search="{time: 5s}", clock=lambda: now[0])
    with pytest.raises(SearchFailed, match=message):
        search.run(is_cluster=False)


def test_a_larger_budget_is_no_remedy_for_trials_that_fail(make_search: Any, tmp_path: Path) -> None:
    now = [1.0]

    def fail_until_the_time_is_over() -> None:
        order = search._queue.next_order()
        search._queue.started(order)
        search._queue.ended(order, "failed", "no torch")
        now[0] = 6.0
        assert search._queue.next_order() is None

    search = make_search(fail_until_the_time_is_over, search="{time: 5s}", clock=lambda: now[0])
    with pytest.raises(SearchFailed, match=r"no trial was measured, so there is no champion: 1 failed \(no torch\)"):
        search.run(is_cluster=False)
    assert "resume_with" not in read_run(tmp_path / "run").manifest


@pytest.mark.parametrize(
    ("endings", "message"),
    [
        (("stopped", None), "resumed: 1 trial has ended, 1 continues"),
        (("stopped", "stopped", None, None), "resumed: 2 trials have ended, 2 continue"),
        ((), "resumed: 0 trials have ended, 0 continue"),
    ],
)
def test_a_resumed_run_says_how_many_trials_it_has(
    endings: tuple[str | None, ...], message: str, make_search: Any, tmp_path: Path
) -> None:
    with pytest.raises(SearchInterrupted), sigterm_as_interrupt():
        make_search(lambda: signal.raise_signal(signal.SIGINT)).run(is_cluster=False)
    sampler = make_sampler(load_space(str(tmp_path / "space.yaml")))
    trials = [
        RecordedTrial(
            index=index,
            phase="search",
            parent=None,
            configuration=sampler.ask(index),
            seed=0,
            starts=1,
            lost_nodes=0,
            node="",
            gpu="",
            started_s=0.0,
            ending=ending,
            reason="",
        )
        for index, ending in enumerate(endings)
    ]
    said: list[str] = []
    earlier = EarlierRun(read_run(tmp_path / "run"), RecordedRun(trials, [], seconds=1.0))
    with pytest.raises(SearchFailed):
        make_search(lambda: (), say=said.append, earlier=earlier).run(is_cluster=False)
    assert said[0] == message


def test_a_run_that_has_taken_the_name_meanwhile_stays_untouched(make_search: Any, tmp_path: Path) -> None:
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
        SpaceError, match=r"a trial needs cpus 3 .*, but no node has that many: 2 CPUs and 0 GPUs; ask for less"
    ):
        make_search(lambda: (), cpus=3)
    assert not (tmp_path / "run").exists()
