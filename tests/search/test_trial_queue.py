"""The desk of a search, driven without Ray: a clock that is moved by hand, and a real ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.measurements import MAX_EPOCHS, ROWS, make_measurement
from tuner.ledger.run_directory import Ledger, held_out_name, read_measurements, read_run, weights_name
from tuner.samplers.sampler import RandomSampler
from tuner.search.snapshot import Snapshot
from tuner.search.time_budget import (
    CLOSING_S,
    MAKING_WAY_S,
    Sizes,
    affordable,
    closing_seconds,
    finalists_seconds,
    makespan,
)
from tuner.search.trial_queue import ENDINGS, SearchQueue, derive_seed
from tuner.space.configuration import Configuration
from tuner.space.load import Space, load_space
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order
from tuner.trial.record import is_double_correction

NO_SIZES = Sizes()
SMALL = Sizes(validation=1_000, test=1_000, labels=5, fitting_s=0.2)
LARGE = Sizes(validation=150_000, test=150_000, labels=3, fitting_s=25.0)
SPACE = """
task: binary
data: {train: rows.csv, label: label}
search: {max_epochs: 4, grace_epochs: 1, reports_per_epoch: 1, finalists: 2, seeds: 2, seed: 5, %s}
"""


@dataclass
class Sampler:
    """Proposes its configurations in turn, and keeps what it is told."""

    configurations: Sequence[Configuration]
    told: dict[int, tuple[list[tuple[int, float]], str]] = field(default_factory=dict)

    def ask(self, index: int) -> Configuration:
        return self.configurations[index % len(self.configurations)]

    def replay(self, index: int, configuration: Configuration) -> None:
        assert configuration == self.ask(index)

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: str) -> None:
        assert index not in self.told
        self.told[index] = (list(measurements), ending)


@dataclass
class Search:
    """A desk with all that stands around it."""

    space: Space
    ledger: Ledger
    sampler: Any
    slots: int = 2
    sizes: Sizes = NO_SIZES
    now: float = 0.0
    said: list[str] = field(default_factory=list)
    seen: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = SearchQueue(
            self.space,
            self.sampler,
            self.ledger,
            clock=lambda: self.now,
            slots=self.slots,
            budget_examples=ROWS * MAX_EPOCHS,
            sizes=self.sizes,
            say=self.said.append,
            watch=self.seen.append,
        )

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
        self.queue.reported(order, measurement)
        return measurement

    def run(self, score: float, *, ending: str = "stopped", epochs: int = 1, seconds: float = 1.0) -> Order:
        """Run a trial to its end, with one report an epoch."""
        order = self.begin()
        for epoch in range(1, epochs + 1):
            self.measurement(order, score, epochs=epoch, seconds=seconds)
        self.queue.ended(order, ending, "")
        return order


@pytest.fixture
def make_search(tmp_path: Path, configure: Any) -> Callable[..., Search]:
    def make(
        limits: str,
        *,
        hidden: Sequence[int] = range(8, 40),
        slots: int = 2,
        name: str = "run",
        sampler: Any = None,
        folds: int | None = None,
        sizes: Sizes = NO_SIZES,
    ) -> Search:
        space_text = SPACE % limits
        if folds is not None:
            space_text = space_text.replace("label: label}", f"label: label, folds: {folds}}}")
        (tmp_path / "space.yaml").write_text(space_text)
        space = load_space(str(tmp_path / "space.yaml"))
        ledger = Ledger.create(tmp_path / name, space=space.text, environment={})
        return Search(
            space, ledger, sampler or Sampler([configure(hidden=units) for units in hidden]), slots=slots, sizes=sizes
        )

    return make


def finalists_of(search: Search) -> list[tuple[int, Order]]:
    """Every order of the second phase, with the search trial that it repeats."""
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
    assert not search.queue.is_done()  # finalists are to come


def test_trials_have_the_samplers_configurations_and_seeds_of_their_own(make_search: Any) -> None:
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


def test_one_configuration_that_was_tried_twice_is_one_finalist(make_search: Any) -> None:
    search = make_search("trials: 3", hidden=[8, 8, 9])
    for score in (0.5, 0.9, 0.4):
        search.run(score)
    assert {parent for parent, _ in finalists_of(search)} == {1, 2}


@pytest.mark.parametrize("ending", ["collapsed", "diverged", "failed"])
def test_a_trial_that_ended_badly_is_no_finalist_whatever_its_best_score(ending: str, make_search: Any) -> None:
    search = make_search("trials: 3")
    search.run(0.9, ending=ending)
    search.run(0.5)
    search.run(0.4, ending="interrupted")
    assert {parent for parent, _ in finalists_of(search)} == {1, 2}


def test_where_every_trial_collapsed_the_best_of_them_goes_on_and_it_is_said(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(-0.5, ending="collapsed")
    search.run(-0.2, ending="collapsed")
    assert {parent for parent, _ in finalists_of(search)} == {1}
    assert search.said[0] == "every trial collapsed: the best of them goes on as the only finalist"


def test_fewer_healthy_trials_than_finalists_is_said(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.5)
    search.run(0.9, ending="diverged")
    assert [parent for parent, _ in finalists_of(search)] == [0, 0]
    assert search.said == ["finalists: 1 × 2 seeds instead of 2 × 2, for want of healthy trials"]


def test_where_no_trial_came_to_a_report_there_is_no_finalist(make_search: Any) -> None:
    search = make_search("trials: 2")
    for _ in range(2):
        search.queue.ended(search.begin(), "failed", "ValueError: no")
    assert search.queue.next_order() is None
    assert search.queue.is_done()
    assert search.queue.finalist_runs() == []


def test_a_search_that_must_not_try_twice_repeats_itself_from_its_seed(make_search: Any) -> None:
    assert derive_seed(5, 0) != derive_seed(5, 0, 1) != derive_seed(6, 0, 1)
    assert derive_seed(5, 3) == derive_seed(5, 3)


# --- time ---------------------------------------------------------------------------------------------------------------


def test_half_of_the_time_is_reserved_while_nothing_is_measured(make_search: Any) -> None:
    search = make_search("time: 100s")
    search.now = 49
    search.begin()
    search.now = 51
    assert search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))


def test_the_time_that_finalists_need_is_reserved(make_search: Any) -> None:
    search = make_search("time: 100s")
    for _ in range(2):
        search.run(0.5, seconds=2)  # an epoch of 4: a full run takes 8 s, and 2 × 2 of them on 2 slots some 16 s
    needed = CLOSING_S + MAKING_WAY_S + finalists_seconds([8, 8], seeds=2, slots=2)
    order = Order(index=0, phase="search", configuration={}, seed=0)
    search.now = 100 - needed - 0.1
    assert not search.queue.is_over(order)
    search.now = 100 - needed + 0.1
    assert search.queue.is_over(order)
    assert search.queue.next_order().phase == "finalist"
    assert search.queue.ended_by == "time"


def test_more_is_reserved_where_others_slow_the_machine_down(make_search: Any) -> None:
    search = make_search("time: 100s", slots=1)
    for _ in range(2):
        order = search.begin()
        for epoch, seconds in enumerate(
            (4.0, 1.0, 2.0, 3.0), start=1
        ):  # of the three after the first, twice the quickest
            search.measurement(order, 0.5, epochs=epoch, seconds=seconds)
        search.queue.ended(order, "completed", "")
    needed = CLOSING_S + MAKING_WAY_S + finalists_seconds([8, 8], seeds=2, slots=1)  # 4 epochs, 1 s each at best
    search.now = 100 - needed + 0.1
    assert search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))
    search.now = 100 - needed - 0.1
    assert not search.queue.is_over(Order(index=0, phase="search", configuration={}, seed=0))


def test_a_cost_budget_ends_the_search_as_the_time_does_that_it_buys(make_search: Any) -> None:
    search = make_search("cost: 0.5, cost_per_hour: 18")  # 100 s
    search.run(0.5)
    search.now = 99
    assert search.queue.next_order().phase == "finalist"
    assert search.queue.ended_by == "cost"


def test_a_trial_does_not_begin_after_its_phase_is_over(make_search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    search = make_search("time: 100s")
    search.now = 10
    assert search.begin().start_before == pytest.approx(1000 + 40)  # half of 100 s is reserved, and 10 are over


def test_late_finalists_do_not_wait_for_running_search_trials(make_search: Any) -> None:
    search = make_search("time: 100s")
    search.run(0.5)
    search.begin()
    search.now = 99
    assert search.queue.next_order().phase == "finalist"


def test_seeds_and_then_finalists_are_given_up_for_want_of_time_and_it_is_said(make_search: Any) -> None:
    search = make_search("time: 100s", slots=1)
    for _ in range(2):
        search.run(0.5, seconds=4)  # a full run takes 16 s
    search.now = 100 - CLOSING_S - 40
    assert sorted(parent for parent, _ in finalists_of(search)) == [0, 1]
    assert search.said == ["finalists: 2 × 1 seeds instead of 2 × 2, for want of time"]


def test_a_finalists_run_is_over_when_only_the_closing_is_left(make_search: Any) -> None:
    search = make_search("time: 100s")
    order = Order(index=9, phase="finalist", configuration={}, seed=0)
    search.now = 100 - CLOSING_S - 0.1
    assert not search.queue.is_over(order)
    search.now = 100 - CLOSING_S + 0.1
    assert search.queue.is_over(order)


def test_on_a_million_rows_more_time_is_left_for_the_closing_and_on_a_thousand_no_more_than_before(
    make_search: Any,
) -> None:
    order = Order(index=9, phase="finalist", configuration={}, seed=0)
    for name, sizes in (("small", SMALL), ("large", LARGE)):
        search = make_search("time: 1h", name=name, sizes=sizes)
        search.run(0.5, seconds=2.0)  # of which half a second went to the validation rows
        closing = closing_seconds(sizes, finalists=2, seeds=2, predict_s=0.5 / sizes.validation)
        search.now = 3600 - closing - 0.1
        assert not search.queue.is_over(order)
        search.now = 3600 - closing + 0.1
        assert search.queue.is_over(order)


def test_the_closing_takes_no_more_than_half_of_the_budget(make_search: Any) -> None:
    search = make_search("time: 20s", sizes=LARGE)
    search.now = 9.9
    assert not search.queue.is_over(Order(index=9, phase="finalist", configuration={}, seed=0))


def test_a_restarted_trial_is_still_reckoned_with_the_time_that_it_took(make_search: Any) -> None:
    search = make_search("time: 100s")
    order = search.begin()
    search.measurement(order, 0.5, seconds=2)
    state = search.queue.trials[order.index]
    before = state.full_run_seconds(ROWS * MAX_EPOCHS)
    search.queue.started(order)  # its worker died
    assert before == pytest.approx(8)
    assert state.full_run_seconds(ROWS * MAX_EPOCHS) == pytest.approx(before)


# --- what is kept -------------------------------------------------------------------------------------------------------


def test_the_sampler_is_told_every_search_trial_once_and_no_finalist(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.3, epochs=2)
    search.run(0.5, ending="collapsed")
    for _, order in finalists_of(search):
        search.queue.started(order)
        search.measurement(order, 0.9)
        search.queue.ended(order, "completed", "")
    assert search.sampler.told == {0: ([(100, 0.3), (200, 0.3)], "stopped"), 1: ([(100, 0.5)], "collapsed")}


def test_the_ledger_has_a_trial_from_its_start_and_how_it_ended(make_search: Any, tmp_path: Path) -> None:
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


def test_every_report_is_in_the_ledger(make_search: Any, tmp_path: Path) -> None:
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


def test_a_restart_is_counted_and_its_reports_stand_apart(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1")
    order = search.begin()
    search.measurement(order, 0.4)
    search.queue.started(order)
    search.measurement(order, 0.4)
    search.queue.ended(order, "stopped", "")
    assert [row["start"] for row in read_measurements(tmp_path / "run").to_pylist()] == [1, 2]
    assert read_run(tmp_path / "run").trials[0]["starts"] == 2
    assert search.sampler.told[0] == ([(100, 0.4)], "stopped")


def test_a_restarted_finalist_has_the_score_of_the_weights_that_it_kept(make_search: Any) -> None:
    """A new worker writes its best weights over those of the old one, from its first report on."""
    search = make_search("trials: 1")
    search.run(0.5)
    order = search.begin()
    search.measurement(order, 0.9, epochs=3)
    search.queue.started(order)  # its worker died
    search.measurement(order, 0.2, epochs=1)
    search.queue.ended(order, "interrupted", "the budget was over")
    run = next(run for run in search.queue.finalist_runs() if run.best is not None)
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
def test_what_a_finalist_is_does_not_hang_on_how_long_trials_took(make_search: Any, slots: int) -> None:
    def finalists(seconds: tuple[float, float], name: str) -> dict[int, tuple[int, int]]:
        search = make_search("trials: 2", slots=slots, name=name)
        for score, taken in zip((0.5, 0.6), seconds, strict=True):
            search.run(score, seconds=taken)
        return {order.index: (parent, order.seed) for parent, order in finalists_of(search)}

    first, second = finalists((1.0, 9.0), "one"), finalists((9.0, 1.0), "two")
    assert first == second
    if slots == 1:
        assert list(first) == list(second)


def test_with_the_random_sampler_configurations_do_not_hang_on_which_trial_ends_first(make_search: Any) -> None:
    """Of several workers the quicker one varies: what is sampled, and by which seed it is trained, does not."""

    def orders(ends_first: int, name: str) -> list[tuple[Configuration, int]]:
        search = make_search("trials: 6", name=name, sampler=RandomSampler(load_space("multilabel").parameters, seed=3))
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


def test_finalist_runs_are_told_from_search_trials_whether_they_came_to_a_report_or_not(make_search: Any) -> None:
    search = make_search("trials: 2")
    search.run(0.5)
    search.run(0.6)
    for number, (_, order) in enumerate(finalists_of(search)):
        search.queue.started(order)
        if number != 3:
            search.measurement(order, 0.1 * number, epochs=4)
        search.queue.ended(order, "completed" if number != 3 else "failed", "")
    runs = search.queue.finalist_runs()
    assert sorted(run.parent for run in runs) == [0, 0, 1, 1]
    assert sum(run.best is None for run in runs) == 1


# --- weights of search trials -------------------------------------------------------------------------------------------


def write_weights(search: Search, order: Order) -> None:
    for name in (weights_name(order.index), held_out_name(weights_name(order.index))):
        search.ledger.folder.write(name, b"weights")


def kept_files(search: Search) -> set[str]:
    return {name for name in search.ledger.folder.all_files() if name.startswith("finalists/")}


def test_a_search_trial_has_a_place_for_its_weights_and_a_score_that_it_has_to_better(make_search: Any) -> None:
    search = make_search("trials: 9")
    for score in (0.5, 0.2, 0.4, 0.3):
        assert search.begin().keep_above is None or score == 0.3
        search.measurement(list(search.queue.trials.values())[-1].order, score)
    order = search.begin()
    assert order.keep_above == 0.3  # the third best so far
    assert order.weights == f"{search.ledger.location}/finalists/trial-4.safetensors"


def test_of_thousands_of_search_trials_only_the_best_three_keep_their_weights(make_search: Any) -> None:
    search = make_search("trials: 40")
    for number in range(40):
        order = search.begin()
        search.measurement(order, (number * 7 % 40) / 40)
        write_weights(search, order)
        search.queue.ended(order, "stopped", "")
    best = [state.order.index for state in search.queue.kept_trials()]
    assert [number * 7 % 40 for number in best] == [39, 38, 37]
    names = [weights_name(number) for number in best]
    assert kept_files(search) == {*names, *map(held_out_name, names)}


def test_a_collapsed_model_is_not_kept_and_a_doubtful_one_only_behind_healthy_ones(make_search: Any) -> None:
    search = make_search("trials: 9")
    for score, more in (
        (0.9, {"constant_penalty": 0.9}),
        (0.8, {"auc": 0.5}),
        (0.3, {}),
    ):
        order = search.begin()
        search.measurement(order, score, **more)
        search.queue.ended(order, "collapsed" if score > 0.3 else "stopped", "")
    assert [state.order.index for state in search.queue.kept_trials()] == [2, 1]


def test_with_folds_a_search_trial_keeps_no_weights_for_no_model_of_it_has_seen_every_row(make_search: Any) -> None:
    search = make_search("trials: 2", folds=3)
    assert search.begin().weights is None
    assert search.queue.kept_trials() == []


def test_an_interrupt_ends_what_runs_and_nothing_else(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 3")
    search.run(0.5)
    order = search.begin()
    search.measurement(order, 0.4)
    search.queue.interrupt()
    endings = {row["trial"]: (row["ending"], row["reason"]) for row in read_run(tmp_path / "run").trials}
    assert endings == {0: ("stopped", None), 1: ("interrupted", "the run was interrupted")}
    assert search.sampler.told[1] == ([(100, 0.4)], "interrupted")


def test_an_interrupted_order_that_no_worker_had_begun_is_told_by_its_starts(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 3")
    search.begin()
    search.queue.next_order()  # asked for, and waiting for a free worker
    search.queue.interrupt()
    assert [(row["ending"], row["starts"]) for row in read_run(tmp_path / "run").trials] == [
        ("interrupted", 1),
        ("interrupted", 0),
    ]


def test_a_snapshot_tells_how_the_search_stands(make_search: Any) -> None:
    search = make_search("time: 100s, trials: 9")
    search.run(0.5)
    search.run(0.7, ending="collapsed")
    running = search.begin()
    search.queue.next_order()  # waits for a free worker
    search.now = 30
    search.queue.tick()
    (snapshot,) = search.seen
    assert (snapshot.phase, snapshot.elapsed_s, snapshot.left_s) == ("search", 30, 70)
    assert [state.order.index for state in snapshot.running] == [running.index]
    assert (dict(snapshot.endings), snapshot.asked, snapshot.limit) == ({"stopped": 1, "collapsed": 1}, 4, 9)
    assert snapshot.best is not None
    assert snapshot.best.order.index == 0
    assert set(snapshot.endings) <= set(ENDINGS)


def test_an_ending_is_noted_once_it_is_told(make_search: Any) -> None:
    search = make_search("trials: 3")
    order = search.begin()
    assert not search.queue.has_ended(order)
    search.queue.ended(order, "failed", "")
    assert search.queue.has_ended(order)


def test_of_ended_trials_no_report_stays_in_memory(make_search: Any) -> None:
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


# --- the budget ---------------------------------------------------------------------------------------------------------

seconds_lists = st.lists(st.floats(0.1, 100), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("jobs", "slots", "expected"), [([3, 2, 2], 1, 7), ([3, 2, 2], 2, 4), ([3, 2, 2], 5, 3), ([], 2, 0)]
)
def test_jobs_are_packed_the_longest_first(jobs: list[float], slots: int, expected: float) -> None:
    assert makespan(jobs, slots) == expected


@given(seconds_lists, st.integers(1, 6))
def test_a_makespan_lies_between_its_bounds(jobs: list[float], slots: int) -> None:
    lower = max(max(jobs), sum(jobs) / slots)
    upper = sum(jobs) / slots + (1 - 1 / slots) * max(jobs)  # Graham 1966, for jobs in any order
    assert lower - 1e-9 <= makespan(jobs, slots) <= upper + 1e-9


def test_no_finalists_need_no_time() -> None:
    assert finalists_seconds([], seeds=3, slots=2) == 0


@given(seconds_lists, st.integers(1, 4), st.integers(1, 4), st.floats(0, 500))
def test_what_is_affordable_fits_or_is_one_finalist_on_every_slot(
    full_runs: list[float], seeds: int, slots: int, seconds: float
) -> None:
    finalists, kept = affordable(full_runs, seeds=seeds, slots=slots, seconds=seconds)
    assert 1 <= finalists <= len(full_runs)
    assert 1 <= kept <= seeds
    least = (1, min(seeds, slots))
    assert (finalists, kept) == least or finalists_seconds(full_runs[:finalists], seeds=kept, slots=slots) <= seconds
    assert finalists == len(full_runs) or kept == 1 or (finalists, kept) == least  # seeds are given up before finalists


@pytest.mark.parametrize(("sizes", "least", "most"), [(SMALL, 4, 5), (LARGE, 60, 200), (Sizes(), 4, 4)])
def test_the_closing_is_estimated_by_rows_and_labels(sizes: Sizes, least: float, most: float) -> None:
    assert least <= closing_seconds(sizes, finalists=2, seeds=2, predict_s=1e-4) <= most


def test_with_folds_the_champion_predicts_the_test_rows_only() -> None:
    both, test = (replace(LARGE, are_validation_rows_predicted=is_so) for is_so in (True, False))
    seconds = [closing_seconds(each, finalists=1, seeds=1, predict_s=1e-3) for each in (both, test)]
    assert seconds[0] - seconds[1] == pytest.approx(150)
