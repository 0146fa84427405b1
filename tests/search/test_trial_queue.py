"""The queue of a search without Ray: a manual clock and a real ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from builders.measurements import MAX_EPOCHS, ROWS, make_measurement
from tuner.ledger.rows import is_double_correction, read_recorded_run
from tuner.ledger.run_directory import Ledger, held_out_name, read_measurements, read_run, weights_name
from tuner.samplers.base import UntriedSampler
from tuner.samplers.random import RandomSampler
from tuner.search.best_trials import KEPT, kept_trials, rank_trials, repeats_of
from tuner.search.finalists import finalist_runs
from tuner.search.order_maker import derive_seed
from tuner.search.time_budget import (
    CLOSING_S,
    MAKING_WAY_S,
    ClosingWork,
    TimeBudget,
    closing_seconds,
    finalists_seconds,
)
from tuner.search.trial_queue import SearchQueue
from tuner.search.watcher import Snapshot, Watcher
from tuner.space.configuration import Configuration
from tuner.space.load import Space, load_space
from tuner.trial.ending import Ending
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order

NO_CLOSING = ClosingWork()
SMALL = ClosingWork(validation=1_000, test=1_000, labels=5, fitting_s=0.2)
LARGE = ClosingWork(validation=150_000, test=150_000, labels=3, fitting_s=25.0)
SPACE = """
task: binary
data: {train: rows.csv, label: label}
search: {max_epochs: 4, grace_epochs: 1, reports_per_epoch: 1, finalists: 2, seeds: 2, seed: 5, %s}
"""


@dataclass
class StubSampler:
    """Proposes its configurations in turn and remembers the results of trials. `left` is what its space has to try."""

    configurations: Sequence[Configuration]
    left: int | None = None
    results: dict[int, tuple[list[tuple[int, float]], str]] = field(default_factory=dict)

    def ask(self, index: int) -> Configuration:
        return self.configurations[index % len(self.configurations)]

    def replay(self, index: int, configuration: Configuration) -> None:
        assert configuration == self.ask(index)

    def untried(self) -> int | None:
        return self.left

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: str) -> None:
        assert index not in self.results
        self.results[index] = (list(measurements), ending)


@dataclass
class QueuedSearch:
    """A queue and everything that it needs."""

    space: Space
    ledger: Ledger
    sampler: Any
    slots: int = 2
    closing_work: ClosingWork = NO_CLOSING
    now: float = 0.0
    said: list[str] = field(default_factory=list)
    seen: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        budget = TimeBudget(
            space=self.space,
            clock=lambda: self.now,
            slots=self.slots,
            budget_examples=ROWS * MAX_EPOCHS,
            closing_work=self.closing_work,
        )
        self.queue = SearchQueue(self.sampler, self.ledger, budget, Watcher(self.said.append, self.seen.append))

    def begin(self) -> Order:
        """Hand out an order and start it."""
        order = self.queue.next_order()
        assert order is not None
        self.queue.started(order)
        return order

    def measurement(
        self, order: Order, score: float, *, epochs: int = 1, seconds: float = 1.0, **more: Any
    ) -> Measurement:
        measurement = make_measurement(score, epochs=epochs, seconds=seconds, **more)
        self.queue.measured(order, measurement)
        return measurement

    def run(self, score: float, *, ending: str = "stopped", epochs: int = 1, seconds: float = 1.0) -> Order:
        """Run a trial to its end, with one measurement per epoch."""
        order = self.begin()
        for epoch in range(1, epochs + 1):
            self.measurement(order, score, epochs=epoch, seconds=seconds)
        self.queue.ended(order, ending, "")
        return order


@pytest.fixture
def make_search(tmp_path: Path, configure: Any) -> Callable[..., QueuedSearch]:
    def make(
        limits: str,
        *,
        hidden: Sequence[int] = range(8, 40),
        slots: int = 2,
        name: str = "run",
        sampler: Any = None,
        folds: int | None = None,
        closing_work: ClosingWork = NO_CLOSING,
    ) -> QueuedSearch:
        space_text = SPACE % limits
        if folds is not None:
            space_text = space_text.replace("label: label}", f"label: label, folds: {folds}}}")
        (tmp_path / "space.yaml").write_text(space_text)
        space = load_space(str(tmp_path / "space.yaml"))
        ledger = Ledger.create(tmp_path / name, space=space.text, environment={})
        return QueuedSearch(
            space,
            ledger,
            sampler or StubSampler([configure(hidden=units) for units in hidden]),
            slots=slots,
            closing_work=closing_work,
        )

    return make


def finalists_of(search: QueuedSearch) -> list[tuple[int, Order]]:
    """Return every finalist's run, with the search trial that it repeats."""
    orders = []
    while (order := search.queue.next_order()) is not None:
        assert order.phase == "finalist"
        parent = search.queue.trials[order.index].parent
        assert parent is not None
        orders.append((parent, order))
    return orders


# --- handing out --------------------------------------------------------------------------------------------------------


def test_search_trials_are_handed_out_up_to_their_number(make_search: Any) -> None:
    search = make_search("trials: 3")
    orders = [search.begin() for _ in range(3)]
    assert [order.index for order in orders] == [0, 1, 2]
    assert {order.phase for order in orders} == {"search"}
    assert search.queue.next_order() is None
    assert not search.queue.is_done()  # the finalists follow


def test_each_trial_gets_the_samplers_configuration_and_its_own_seed(make_search: Any) -> None:
    search = make_search("trials: 5")
    orders = [search.begin() for _ in range(5)]
    assert [order.configuration["hidden"] for order in orders] == [8, 9, 10, 11, 12]
    assert [order.seed for order in orders] == [derive_seed(5, index) for index in range(5)]
    assert len({order.seed for order in orders}) == 5


def test_without_a_time_budget_a_trial_may_begin_at_any_time(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.now = 1e6
    assert search.begin().start_before is None


def test_finalists_wait_for_the_last_search_trial(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.5)
    running = search.begin()
    assert search.queue.next_order() is None
    search.measurement(running, 0.6)
    search.queue.ended(running, "stopped", "")
    assert search.queue.next_order().phase == "finalist"


def test_the_best_configurations_become_finalists_with_every_seed(make_search: Any) -> None:
    search = make_search("trials: 4")
    for score in (0.3, 0.7, 0.5, 0.6):
        search.run(score)
    finalists = finalists_of(search)
    assert sorted(parent for parent, _ in finalists) == [1, 1, 3, 3]
    assert len({order.seed for _, order in finalists}) == 4
    assert [order.index for _, order in finalists] == [4, 5, 6, 7]
    for parent, order in finalists:
        assert order.configuration == search.sampler.ask(parent)
        assert order.weights == f"{search.ledger.location}/finalists/trial-{order.index}.safetensors"
    assert search.queue.is_done()
    assert search.said == []


def test_the_longest_finalists_run_first(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.9, seconds=1)
    search.run(0.5, seconds=9)
    assert [parent for parent, _ in finalists_of(search)] == [1, 1, 0, 0]


def test_a_configuration_that_was_tried_twice_is_one_finalist(make_search: Any) -> None:
    search = make_search("trials: 3", hidden=[8, 8, 9])
    for score in (0.5, 0.9, 0.4):
        search.run(score)
    assert {parent for parent, _ in finalists_of(search)} == {1, 2}


def test_a_configuration_is_ranked_by_the_mean_of_its_repeats_and_not_by_its_luckiest(make_search: Any) -> None:
    search = make_search("trials: 7", hidden=[8, 9, 8, 10, 8, 8, 10], slots=1)
    for score in (0.9, 0.6, 0.3, 0.7, 0.4, 0.2, 0.4):
        search.run(score)
    assert [parent for parent, _ in finalists_of(search)] == [1, 3, 1, 3]  # means of 0.6 and 0.55, and of 0.45


def test_a_collapsed_repeat_does_not_count_in_the_mean(make_search: Any) -> None:
    search = make_search("trials: 4", hidden=[8, 9, 8, 10], slots=1)
    for score, ending in ((0.9, "stopped"), (0.6, "stopped"), (-0.9, "collapsed"), (0.5, "stopped")):
        search.run(score, ending=ending)
    assert [parent for parent, _ in finalists_of(search)] == [0, 1, 0, 1]


def test_a_run_of_an_older_version_with_repeats_goes_on_to_its_finalists(make_search: Any, tmp_path: Path) -> None:
    old = make_search("trials: 12", hidden=[8, 9])
    for score in (0.9, 0.6, 0.1, 0.6, 0.2):
        old.run(score)
    old.ledger.release()
    run = read_run(tmp_path / "run")
    sampler = StubSampler(old.sampler.configurations, left=0)
    new = QueuedSearch(old.space, Ledger.reopen(tmp_path / "run"), sampler, slots=1)
    new.queue.replay(read_recorded_run(run, read_measurements(tmp_path / "run")))
    assert (new.queue.snapshot().asked, new.queue.snapshot().limit) == (5, 5)
    assert [parent for parent, _ in finalists_of(new)] == [1, 0, 1, 0]
    assert new.queue.ended_by == "settings"


@pytest.mark.parametrize(
    ("endings", "reason"),
    [
        (["stopped"] * 2, "the space has only 2 settings"),
        (["stopped", "collapsed", "failed"], "only 1 of the space's 3 settings was healthy"),
        (["stopped", "collapsed", "stopped"], "only 2 of the space's 3 settings were healthy"),
        (["collapsed", "collapsed"], "none of the space's 2 settings was healthy"),
    ],
)
def test_a_note_says_what_lacks_once_all_settings_have_been_tried(
    endings: Sequence[str], reason: str, make_search: Any
) -> None:
    search = make_search("trials: 9")
    search.space = replace(search.space, search=search.space.search.model_copy(update={"finalists": 3}))
    search.__post_init__()
    for ending in endings:
        search.run(0.5, ending=ending)
    search.sampler.left = 0
    finalists_of(search)
    assert search.said[-1].endswith(f" instead of 3 × 2, because {reason}")


def test_too_little_time_and_too_few_settings_are_both_named(make_search: Any) -> None:
    search = make_search("time: 100s", slots=1)
    search.run(0.5, seconds=4)  # a full run takes 16 s
    search.sampler.left = 0
    search.now = 100 - CLOSING_S - 20
    assert len(finalists_of(search)) == 1
    assert search.said == [
        "finalists: 1 × 1 seed instead of 2 × 2, because there is too little time and the space has only 1 setting"
    ]


def test_with_more_time_finalists_run_again_even_if_all_settings_have_been_tried(
    make_search: Any, tmp_path: Path
) -> None:
    old = make_search("time: 100s", slots=1)
    old.run(0.5)
    old.sampler.left = 0
    first = [order.index for _, order in finalists_of(old)]
    for index in first:
        old.queue.ended(old.queue.trials[index].order, "cut short", "the budget was over")
    old.ledger.release()
    run = read_run(tmp_path / "run")
    for is_to_search_on, expected in ((False, []), (True, [3, 4])):
        ledger = Ledger.reopen(tmp_path / "run")
        new = QueuedSearch(old.space, ledger, StubSampler(old.sampler.configurations, left=0), slots=1)
        recorded = read_recorded_run(run, read_measurements(tmp_path / "run"))
        new.queue.replay(recorded, is_to_search_on=is_to_search_on)
        orders = [order for _, order in finalists_of(new)]
        assert [order.index for order in orders] == expected
        assert {order.seed for order in orders}.isdisjoint(old.queue.trials[index].order.seed for index in first)
        assert new.queue.ended_by == "settings"
        ledger.release()


@pytest.mark.parametrize("ending", ["collapsed", "diverged", "failed"])
def test_a_trial_that_ended_badly_is_no_finalist_at_any_score(ending: str, make_search: Any) -> None:
    search = make_search("trials: 3")
    search.run(0.9, ending=ending)
    search.run(0.5)
    search.run(0.4, ending="cut short")
    assert {parent for parent, _ in finalists_of(search)} == {1, 2}


def test_if_every_trial_collapsed_the_best_becomes_the_finalist_with_a_note(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(-0.5, ending="collapsed")
    search.run(-0.2, ending="collapsed")
    assert {parent for parent, _ in finalists_of(search)} == {1}
    assert search.said[0] == "every trial collapsed: the best of them becomes the only finalist"


def test_a_note_says_that_there_are_too_few_healthy_trials(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.5)
    search.run(0.9, ending="diverged")
    assert [parent for parent, _ in finalists_of(search)] == [0, 0]
    assert search.said == ["finalists: 1 × 2 seeds instead of 2 × 2, because there are too few healthy trials"]


def test_without_a_measured_trial_there_is_no_finalist(make_search: Any) -> None:
    search = make_search("trials: 2")
    for _ in range(2):
        search.queue.ended(search.begin(), "failed", "ValueError: no")
    assert search.queue.next_order() is None
    assert search.queue.is_done()
    assert finalist_runs(search.queue.trials.values()) == []


def test_derived_seeds_are_repeatable_and_differ_by_purpose(make_search: Any) -> None:
    assert derive_seed(5, 0) != derive_seed(5, 0, 1) != derive_seed(6, 0, 1)
    assert derive_seed(5, 3) == derive_seed(5, 3)


# --- time ---------------------------------------------------------------------------------------------------------------


def test_half_of_the_time_from_the_first_trial_on_is_reserved_before_the_first_measurement(make_search: Any) -> None:
    search = make_search("time: 100s")
    search.now = 60
    search.begin()
    search.now = 79
    assert not search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))
    search.now = 81
    assert search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))


def test_the_time_that_finalists_need_is_reserved(make_search: Any) -> None:
    search = make_search("time: 100s")
    for _ in range(2):
        search.run(0.5, seconds=2)  # one epoch of 4, so a full run takes 8 s, and 2 × 2 runs on 2 slots take about 16 s
    needed = CLOSING_S + 2 * MAKING_WAY_S + finalists_seconds([8, 8], seeds=2, slots=2)
    order = Order(index=0, phase="search", configuration={}, seed=0)
    search.now = 100 - needed - 0.1
    assert not search.queue.is_over(order)
    search.now = 100 - needed + 0.1
    assert search.queue.is_over(order)
    assert search.queue.next_order().phase == "finalist"
    assert search.queue.ended_by == "time"


def test_more_is_reserved_when_others_slow_the_machine_down(make_search: Any) -> None:
    search = make_search("time: 100s", slots=1)
    for _ in range(2):
        order = search.begin()
        for epoch, seconds in enumerate((4.0, 1.0, 2.0, 3.0), start=1):  # the later three average twice the fastest
            search.measurement(order, 0.5, epochs=epoch, seconds=seconds)
        search.queue.ended(order, "completed", "")
    needed = 2 * (CLOSING_S + MAKING_WAY_S) + finalists_seconds([8, 8], seeds=2, slots=1)  # 4 epochs, 1 s each at best
    search.now = 100 - needed + 0.1
    assert search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))
    search.now = 100 - needed - 0.1
    assert not search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))


def test_a_cost_budget_ends_the_search_when_the_time_that_it_buys_is_over(make_search: Any) -> None:
    search = make_search("cost: 0.5, cost_per_hour: 18")  # 100 s
    search.run(0.5)
    search.now = 99
    assert search.queue.next_order().phase == "finalist"
    assert search.queue.ended_by == "cost"


def test_a_trial_does_not_begin_after_its_phase_is_over(make_search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    search = make_search("time: 100s")
    search.now = 10
    closing_s = CLOSING_S + MAKING_WAY_S
    assert search.begin().start_before == pytest.approx(1000 + 90 - closing_s)  # nothing is known about finalists
    search.run(0.5, seconds=2)
    finalists_s = MAKING_WAY_S + finalists_seconds([8], seeds=2, slots=2)
    assert search.begin().start_before == pytest.approx(1000 + 90 - closing_s - finalists_s)


def test_a_trial_is_measured_when_its_phase_is_over_unless_another_has_been(make_search: Any) -> None:
    search = make_search("time: 100s")
    first = search.begin()
    assert first.is_measured_then
    search.now = 90
    assert not search.queue.is_over(first)
    search.measurement(first, 0.5)
    assert search.queue.is_over(first)
    search.now = 10
    assert not search.begin().is_measured_then


def test_a_finalists_run_does_not_begin_when_only_time_for_closing_is_left(
    make_search: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    search = make_search("time: 100s")
    search.run(0.5)
    search.now = 99
    order = search.queue.next_order()
    assert order.phase == "finalist"
    assert order.start_before == pytest.approx(1000 + 1 - CLOSING_S - MAKING_WAY_S)


def test_when_the_time_is_up_running_trials_end_and_none_follows(make_search: Any) -> None:
    search = make_search("time: 100s")
    order = search.begin()
    assert not search.queue.is_time_up()
    search.now = 100 - CLOSING_S / 2 + 0.1
    assert search.queue.is_time_up()
    search.queue.run_out()
    assert search.queue.trials[order.index].ending == "cut short"
    assert search.queue.is_done()
    assert search.queue.ended_by == "time"


def test_late_finalists_do_not_wait_for_running_search_trials(make_search: Any) -> None:
    search = make_search("time: 100s")
    search.run(0.5)
    search.begin()
    search.now = 99
    assert search.queue.next_order().phase == "finalist"


def test_too_little_time_drops_seeds_first_with_a_note(make_search: Any) -> None:
    search = make_search("time: 100s", slots=1)
    for _ in range(2):
        search.run(0.5, seconds=4)  # a full run takes 16 s
    search.now = 100 - CLOSING_S - 40
    assert sorted(parent for parent, _ in finalists_of(search)) == [0, 1]
    assert search.said == ["finalists: 2 × 1 seed instead of 2 × 2, because there is too little time"]


def test_a_finalists_run_is_over_when_only_time_for_closing_is_left(make_search: Any) -> None:
    search = make_search("time: 100s")
    order = Order(index=9, phase="finalist", configuration={}, seed=0)
    search.now = 100 - CLOSING_S - MAKING_WAY_S - 0.1
    assert not search.queue.is_over(order)
    search.now = 100 - CLOSING_S - MAKING_WAY_S + 0.1
    assert search.queue.is_over(order)


def test_more_rows_leave_more_time_for_closing(
    make_search: Any,
) -> None:
    order = Order(index=9, phase="finalist", configuration={}, seed=0)
    for name, work in (("small", SMALL), ("large", LARGE)):
        search = make_search("time: 1h", name=name, closing_work=work)
        search.run(0.5, seconds=2.0)  # half a second of it for the validation rows
        closing = closing_seconds(work, finalists=2, seeds=2, predict_s=0.5 / work.validation)
        search.now = 3600 - closing - MAKING_WAY_S - 0.1
        assert not search.queue.is_over(order)
        search.now = 3600 - closing - MAKING_WAY_S + 0.1
        assert search.queue.is_over(order)


def test_closing_takes_at_most_half_of_the_budget(make_search: Any) -> None:
    search = make_search("time: 20s", closing_work=LARGE)
    search.now = 9.9 - MAKING_WAY_S
    assert not search.queue.is_over(Order(index=9, phase="finalist", configuration={}, seed=0))


def test_a_restart_keeps_the_estimate_of_a_full_run(make_search: Any) -> None:
    search = make_search("time: 100s")
    order = search.begin()
    search.measurement(order, 0.5, seconds=2)
    state = search.queue.trials[order.index]
    before = state.full_run_seconds(ROWS * MAX_EPOCHS)
    search.queue.started(order)  # its worker died
    assert before == pytest.approx(8)
    assert state.full_run_seconds(ROWS * MAX_EPOCHS) == pytest.approx(before)


# --- what is kept -------------------------------------------------------------------------------------------------------


def test_the_sampler_hears_of_every_search_trial_once_and_of_no_finalist(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.3, epochs=2)
    search.run(0.5, ending="collapsed")
    for _, order in finalists_of(search):
        search.queue.started(order)
        search.measurement(order, 0.9)
        search.queue.ended(order, "completed", "")
    assert search.sampler.results == {0: ([(100, 0.3), (200, 0.3)], "stopped"), 1: ([(100, 0.5)], "collapsed")}


def test_the_ledger_has_a_trial_from_its_start_to_its_ending(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 2")
    search.now = 3.0
    order = search.begin()
    search.ledger.flush()
    (row,) = read_run(tmp_path / "run").trials
    assert (row["trial"], row["ending"], row["starts"], row["started_s"], row["ended_s"]) == (0, None, 1, 3.0, None)
    search.measurement(order, 0.4, epochs=1)
    search.measurement(order, 0.6, epochs=2)
    search.measurement(order, 0.5, epochs=3)
    search.now = 7.5
    search.queue.ended(order, "stopped", "below its rung")
    (row,) = read_run(tmp_path / "run").trials
    kept = (
        "ending",
        "reason",
        "score",
        "best_epochs",
        "epochs",
        "examples",
        "ended_s",
        "phase",
        "parent",
        "parameters",
    )
    assert [row[name] for name in kept] == ["stopped", "below its rung", 0.6, 2.0, 3.0, 300, 7.5, "search", None, 100]
    assert json.loads(row["configuration"]) == dict(order.configuration)


def test_every_measurement_is_in_the_ledger(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1")
    order = search.begin()
    for epoch in (1, 2):
        search.measurement(order, 0.1 * epoch, epochs=epoch)
    search.ledger.flush()
    rows = read_measurements(tmp_path / "run").to_pylist()
    assert [(row["trial"], row["start"], row["examples"], row["score"]) for row in rows] == [
        (0, 1, 100, 0.1),
        (0, 1, 200, 0.2),
    ]


def test_a_diverged_trial_keeps_its_last_finite_score(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1")
    order = search.begin()
    search.measurement(order, 0.4)
    search.measurement(order, float("nan"), epochs=2, diverged_at_step=9)
    search.queue.ended(order, "diverged", "a number was not finite at step 9")
    (row,) = read_run(tmp_path / "run").trials
    assert (row["ending"], row["score"], row["epochs"]) == ("diverged", 0.4, 2.0)


def test_a_restart_is_counted_and_its_measurements_are_marked(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1")
    order = search.begin()
    search.measurement(order, 0.4)
    search.queue.started(order)
    search.measurement(order, 0.4)
    search.queue.ended(order, "stopped", "")
    assert [row["start"] for row in read_measurements(tmp_path / "run").to_pylist()] == [1, 2]
    assert read_run(tmp_path / "run").trials[0]["starts"] == 2
    assert search.sampler.results[0] == ([(100, 0.4)], "stopped")


def test_a_restarted_finalist_has_the_score_of_its_current_weights(make_search: Any) -> None:
    """A new worker overwrites the best weights of the old one, from its first measurement on."""
    search = make_search("trials: 1")
    search.run(0.5)
    order = search.begin()
    search.measurement(order, 0.9, epochs=3)
    search.queue.started(order)  # its worker died
    search.measurement(order, 0.2, epochs=1)
    search.queue.ended(order, "cut short", "the budget was over")
    run = next(run for run in finalist_runs(search.queue.trials.values()) if run.best is not None)
    assert run.score == 0.2


def test_the_health_of_a_trial_is_in_the_ledger(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1")
    order = search.begin()
    search.measurement(order, 0.4, clip_rate=0.25, unknown_share=0.125)
    search.queue.ended(order, "stopped", "")
    (measurement,) = read_measurements(tmp_path / "run").to_pylist()
    (trial,) = read_run(tmp_path / "run").trials
    assert (measurement["clip_rate"], trial["unknown_share"], trial["empty_share"]) == (0.25, 0.125, None)
    assert "unknown_share" not in measurement


@pytest.mark.parametrize("slots", [1, 2])
def test_the_choice_of_finalists_does_not_depend_on_timing(make_search: Any, slots: int) -> None:
    def finalists(seconds: tuple[float, float], name: str) -> dict[int, tuple[int, int]]:
        search = make_search("trials: 2", slots=slots, name=name)
        for score, taken in zip((0.5, 0.6), seconds, strict=True):
            search.run(score, seconds=taken)
        return {order.index: (parent, order.seed) for parent, order in finalists_of(search)}

    first, second = finalists((1.0, 9.0), "one"), finalists((9.0, 1.0), "two")
    assert first == second
    if slots == 1:
        assert list(first) == list(second)


def test_with_the_random_sampler_configurations_do_not_depend_on_which_trial_ends_first(make_search: Any) -> None:
    """Which of several workers is faster varies; the sampled configurations and their seeds do not."""

    def orders(ends_first: int, name: str) -> list[tuple[Configuration, int]]:
        parameters = load_space("multilabel").parameters
        sampler = UntriedSampler(RandomSampler(parameters, seed=3), parameters, seed=3)
        search = make_search("trials: 6", name=name, sampler=sampler)
        running = [search.begin(), search.begin()]
        handed = list(running)
        while running:
            order = running.pop(ends_first if len(running) > 1 else 0)
            search.measurement(order, 0.1)
            search.queue.ended(order, "completed", "")
            if len(handed) < 6:
                running.append(search.begin())
                handed.append(running[-1])
        return [(order.configuration, order.seed) for order in handed]

    assert orders(0, "one") == orders(1, "two")


def test_finalist_runs_are_listed_with_or_without_a_measurement(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.5)
    search.run(0.6)
    for number, (_, order) in enumerate(finalists_of(search)):
        search.queue.started(order)
        if number != 3:
            search.measurement(order, 0.1 * number, epochs=4)
        search.queue.ended(order, "completed" if number != 3 else "failed", "")
    runs = finalist_runs(search.queue.trials.values())
    assert sorted(run.parent for run in runs) == [0, 0, 1, 1]
    assert sum(run.best is None for run in runs) == 1


# --- weights of search trials -------------------------------------------------------------------------------------------


def write_weights(search: QueuedSearch, order: Order) -> None:
    for name in (weights_name(order.index), held_out_name(weights_name(order.index))):
        search.ledger.folder.write(name, b"weights")


def kept_files(search: QueuedSearch) -> set[str]:
    return {name for name in search.ledger.folder.all_files() if name.startswith("finalists/")}


def test_a_search_trial_knows_where_to_keep_its_weights_and_above_which_score(make_search: Any) -> None:
    search = make_search("trials: 40")
    for number in range(KEPT + 1):
        order = search.begin()
        assert order.keep_above is None or number == KEPT
        search.measurement(order, number / 40)
    order = search.begin()
    assert order.keep_above == 1 / 40  # as many trials are better
    assert order.weights == f"{search.ledger.location}/finalists/trial-{KEPT + 1}.safetensors"


def test_only_the_best_search_trials_keep_their_weights(make_search: Any) -> None:
    search = make_search("trials: 40")
    for number in range(40):
        order = search.begin()
        search.measurement(order, (number * 7 % 40) / 40)
        write_weights(search, order)
        search.queue.ended(order, "stopped", "")
    best = [record.order.index for record in kept_trials(search.queue.trials.values())]
    assert [number * 7 % 40 for number in best] == list(range(39, 39 - KEPT, -1))
    names = [weights_name(number) for number in best]
    assert kept_files(search) == {*names, *map(held_out_name, names)}


def test_a_collapsed_model_is_not_kept_and_a_doubtful_one_ranks_last(make_search: Any) -> None:
    search = make_search("trials: 9")
    for score, more in (
        (0.9, {"constant_penalty": 0.9}),
        (0.8, {"auc": 0.5}),
        (0.3, {}),
    ):
        order = search.begin()
        search.measurement(order, score, **more)
        search.queue.ended(order, "collapsed" if score > 0.3 else "stopped", "")
    assert [record.order.index for record in kept_trials(search.queue.trials.values())] == [2, 1]


def test_with_folds_a_search_trial_keeps_no_weights(make_search: Any) -> None:
    search = make_search("trials: 2", folds=3)
    assert search.begin().weights is None
    assert kept_trials(search.queue.trials.values()) == []


def test_an_interrupt_ends_only_running_trials(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 3")
    search.run(0.5)
    order = search.begin()
    search.measurement(order, 0.4)
    search.queue.interrupt()
    endings = {row["trial"]: (row["ending"], row["reason"]) for row in read_run(tmp_path / "run").trials}
    assert endings == {0: ("stopped", None), 1: ("interrupted", "the run was interrupted")}
    assert search.sampler.results[1] == ([(100, 0.4)], "interrupted")


def test_an_interrupted_order_without_a_worker_has_no_starts(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 3")
    search.begin()
    search.queue.next_order()  # it waits for a free worker
    search.queue.interrupt()
    assert [(row["ending"], row["starts"]) for row in read_run(tmp_path / "run").trials] == [
        ("interrupted", 1),
        ("interrupted", 0),
    ]


def test_a_snapshot_shows_the_state_of_the_search(make_search: Any) -> None:
    search = make_search("time: 100s, trials: 9")
    search.run(0.5)
    search.run(0.7, ending="collapsed")
    running = search.begin()
    search.queue.next_order()  # waits for a free worker
    search.now = 30
    search.queue.tick()
    (snapshot,) = search.seen
    assert (snapshot.phase, snapshot.elapsed_s, snapshot.left_s) == ("search", 30, 70)
    assert [record.order.index for record in snapshot.running] == [running.index]
    assert (dict(snapshot.endings), snapshot.asked, snapshot.limit) == ({"stopped": 1, "collapsed": 1}, 4, 9)
    assert snapshot.best is not None
    assert snapshot.best.order.index == 0
    assert set(snapshot.endings) <= set(Ending)


def test_a_trial_has_ended_once_its_ending_is_noted(make_search: Any) -> None:
    search = make_search("trials: 3")
    order = search.begin()
    assert not search.queue.has_ended(order)
    search.queue.ended(order, "failed", "")
    assert search.queue.has_ended(order)


def test_ended_trials_keep_no_measurements_in_memory(make_search: Any) -> None:
    search = make_search("trials: 3")
    search.run(0.5, epochs=4)
    assert search.queue.trials[0].measurements == []


@pytest.mark.parametrize(
    ("loss_weights", "resampling", "expected"),
    [("none", "none", False), ("root", "none", False), ("none", "oversample", False), ("root", "oversample", True)],
)
def test_weights_and_resampling_together_are_flagged_as_double_correction(
    loss_weights: str, resampling: str, expected: bool, configure: Any
) -> None:
    assert is_double_correction(configure(loss_weights=loss_weights, resampling=resampling)) is expected


# Sized again


def test_running_trials_begin_again_with_other_sizes_and_the_same_configurations(
    make_search: Callable[..., QueuedSearch],
) -> None:
    parameters = load_space("multilabel").parameters
    sampler = UntriedSampler(RandomSampler(parameters, seed=3), parameters, seed=3)
    search = make_search("time: 1000", sampler=sampler)
    first, second = search.begin(), search.begin()
    search.measurement(first, 0.4)
    search.queue.begin_again({"max_epochs": 2.0})
    assert search.queue.has_ended(first)
    again = [search.begin(), search.begin()]
    assert [order.index for order in again] == [2, 3]
    assert [order.configuration for order in again] == [first.configuration, second.configuration]
    assert {order.sizes["max_epochs"] for order in again} == {2.0}
    assert search.queue.trials[second.index].ending is Ending.CUT_SHORT
    assert search.begin().configuration not in [first.configuration, second.configuration]


def test_a_trial_that_began_again_does_not_count_beside_the_one_that_took_over(
    make_search: Callable[..., QueuedSearch], tmp_path: Path
) -> None:
    parameters = load_space("multilabel").parameters
    sampler = UntriedSampler(RandomSampler(parameters, seed=3), parameters, seed=3)
    search = make_search("trials: 2", sampler=sampler)
    first = search.begin()
    search.measurement(first, 0.1)
    search.queue.begin_again({"max_epochs": 2.0})
    again, other = search.begin(), search.begin()
    search.measurement(again, 0.9)
    search.measurement(other, 0.6)
    assert [record.order.index for record in rank_trials(search.queue.trials.values())] == [again.index, other.index]
    assert repeats_of(again.index, search.queue.trials.values()) == [again.index]
    assert search.queue.snapshot().asked == 2
    search.ledger.finish({"status": "interrupted"})
    resumed = QueuedSearch(
        search.space,
        Ledger.reopen(tmp_path / "run"),
        UntriedSampler(RandomSampler(parameters, seed=3), parameters, seed=3),
    )
    resumed.queue.replay(read_recorded_run(read_run(tmp_path / "run"), read_measurements(tmp_path / "run")))
    assert resumed.queue.snapshot().asked == 2
