"""Ray's scheduler with the pruner behind it, driven with stub trials. No cluster is started."""

from __future__ import annotations

import functools
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler

from builders.measurements import make_measurement
from builders.ray_trials import StubTrial
from tuner.pruners.gate import GateSettings
from tuner.pruners.gated_asha import GatedASHA
from tuner.ray_backend.scheduler import PruningScheduler
from tuner.ray_backend.trials import OrderSearcher, QueueCallback, TimeStopper
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, Stretch

ROWS = 10  # examples in an epoch
Kind = Literal["healthy", "collapsed", "diverged"]


@dataclass
class StubQueue:
    """Hands out orders from a list, and records what becomes of them."""

    orders: list[Order] = field(default_factory=list)
    endings: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    measurements: list[tuple[int, int]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    places: dict[int, tuple[str, str]] = field(default_factory=dict)
    over: bool = False
    up: bool = False
    run_outs: int = 0
    interrupted: bool = False

    def next_order(self) -> Order | None:
        return self.orders.pop(0) if self.orders else None

    def is_done(self) -> bool:
        return not self.orders

    def started(self, order: Order) -> None: ...

    def placed(self, order: Order, node: str, gpu: str) -> None:
        self.places[order.index] = (node, gpu)

    def measured(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        self.measurements.append((order.index, measurement.examples))

    def ended(self, order: Order, ending: str, reason: str) -> None:
        assert order.index not in self.endings, "a trial ends once"
        self.endings[order.index], self.reasons[order.index] = ending, reason

    def has_ended(self, order: Order) -> bool:
        return order.index in self.endings

    def is_over(self, order: Order) -> bool:
        return self.over

    def is_time_up(self) -> bool:
        return self.up

    def run_out(self) -> None:
        self.run_outs += 1

    def hung(self) -> tuple[Order, ...]:
        return ()

    def interrupt(self) -> None:
        self.interrupted = True

    def advanced(self, order: Order, stretch: Stretch) -> None:
        self.stretches.append(stretch)

    def noted(self, order: Order, note: str) -> None:
        self.notes.append((order.index, note))

    def tick(self) -> None: ...


def stub_trial(index: int, phase: Literal["search", "finalist"] = "search") -> StubTrial:
    return StubTrial(Order(index=index, phase=phase, configuration={"hidden": 8}, seed=index))


def make_result(epochs: float, score: float = 0.4, *, kind: Kind = "healthy", max_epochs: float = 27) -> dict[str, Any]:
    """One measurement of a trial, as a worker sends it."""
    if kind == "collapsed":
        score = -0.6
    if kind == "diverged":
        score = float("nan")
    examples = round(epochs * ROWS)
    measurement = make_measurement(
        score,
        epochs=epochs,
        examples=examples,
        constant_penalty=1.0 if kind == "collapsed" else 0.0,
        skill=0.0 if kind == "collapsed" else 0.2,
        auc=0.5 if kind == "collapsed" else 0.8,
        logit_spread=0.0 if kind == "collapsed" else 1.0,
        train_seconds=0.1,
        evaluate_seconds=0.1,
        diverged_at_step=7 if kind == "diverged" else None,
        is_last=epochs >= max_epochs or kind == "diverged",
    )
    return {"examples": examples, "score": score, "measurement": json.dumps(asdict(measurement))}


def make_scheduler(queue: StubQueue, *, grace_epochs: float = 1, max_epochs: float = 27) -> PruningScheduler:
    pruner = GatedASHA(
        grace_epochs=grace_epochs,
        rows=ROWS,
        budget_examples=round(max_epochs * ROWS),
        reduction_factor=3,
        gate=GateSettings(least_examples=0),  # an epoch has ten rows here
    )
    return PruningScheduler(queue, pruner)


def rung_values(scheduler: PruningScheduler) -> list[float]:
    """Every value in any rung."""
    return [score for scores in scheduler.pruner.rungs.scores.values() for score in scores]


@pytest.fixture
def queue() -> StubQueue:
    return StubQueue()


@pytest.fixture
def scheduler(queue: StubQueue) -> PruningScheduler:
    return make_scheduler(queue)


@pytest.fixture
def begin(scheduler: PruningScheduler) -> Callable[..., StubTrial]:
    """Return a function that adds a trial to the scheduler."""

    def add(index: int, phase: Literal["search", "finalist"] = "search") -> StubTrial:
        trial = stub_trial(index, phase)
        scheduler.on_trial_add(None, trial)
        return trial

    return add


def send(scheduler: PruningScheduler, trial: StubTrial, *results: dict[str, Any]) -> list[str]:
    return [scheduler.on_trial_result(None, trial, result) for result in results]


def test_a_healthy_trial_goes_on_and_its_value_enters_the_rung(scheduler: PruningScheduler, begin: Any) -> None:
    assert send(scheduler, begin(0), make_result(1, 0.3)) == ["CONTINUE"]
    assert rung_values(scheduler) == [0.3]


def test_a_trial_below_its_rung_is_stopped(scheduler: PruningScheduler, queue: StubQueue, begin: Any) -> None:
    for index, score in enumerate((0.5, 0.6, 0.7)):
        send(scheduler, begin(index), make_result(1, score))
    assert send(scheduler, begin(3), make_result(1, 0.1)) == ["STOP"]
    assert queue.endings == {3: "stopped"}
    assert queue.reasons[3] == "below its rung at 1 epoch"


def test_a_collapsed_trial_is_ended_and_leaves_no_value_in_the_rungs(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    trial = begin(0)
    assert send(scheduler, trial, make_result(0.5, kind="collapsed")) == ["CONTINUE"]
    assert send(scheduler, trial, make_result(1, kind="collapsed")) == ["STOP"]
    assert queue.endings == {0: "collapsed"}
    assert queue.reasons[0].startswith("constant penalty 1.00, skill +0.000")
    scheduler.on_trial_complete(None, trial, make_result(1, kind="collapsed"))
    assert rung_values(scheduler) == []


def test_ties_among_collapsed_trials_keep_none_of_them_alive(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    for index in range(20):
        send(scheduler, begin(index), make_result(0.5, kind="collapsed"), make_result(1, kind="collapsed"))
    assert set(queue.endings.values()) == {"collapsed"}
    assert len(queue.endings) == 20


def test_collapsed_trials_do_not_lower_the_bar_for_healthy_ones(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    for index in range(50):
        send(scheduler, begin(index), make_result(1, kind="collapsed"))
    for index, score in enumerate((0.5, 0.6, 0.7), start=50):
        send(scheduler, begin(index), make_result(1, score))
    assert send(scheduler, begin(60), make_result(1, 0.4)) == ["STOP"]
    assert queue.endings[60] == "stopped"


@pytest.mark.parametrize("epochs", [0.5, 1, 9])
def test_a_score_that_is_not_a_number_is_diverged_at_once(
    epochs: float, scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    assert send(scheduler, begin(0), make_result(epochs, kind="diverged")) == ["STOP"]
    assert queue.endings == {0: "diverged"}
    assert queue.reasons[0] == "a number was not finite at step 7, with precision float32"
    assert rung_values(scheduler) == []


def test_a_single_sign_of_collapse_is_watched_and_kept_out_of_the_rungs(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    trial = begin(0)
    sent = send(scheduler, trial, make_result(0.5), make_result(1, kind="collapsed"), make_result(1.5, 0.6))
    assert sent == ["CONTINUE"] * 3
    assert queue.endings == {}
    assert rung_values(scheduler) == []


def test_a_trial_that_was_watched_at_a_rung_writes_no_later_score_into_it(
    scheduler: PruningScheduler, begin: Any
) -> None:
    trial = begin(0)
    healthy = [make_result(epochs, epochs / 10) for epochs in (3, 4, 5)]
    assert send(scheduler, trial, make_result(0.5), make_result(1, kind="collapsed"), *healthy) == ["CONTINUE"] * 5
    assert rung_values(scheduler) == [0.3]


def test_two_signs_of_collapse_in_a_row_after_the_grace_end_a_trial(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    sent = send(scheduler, begin(0), make_result(1), make_result(2, kind="collapsed"), make_result(3, kind="collapsed"))
    assert sent == ["CONTINUE", "CONTINUE", "STOP"]
    assert queue.endings == {0: "collapsed"}


def test_collapse_within_the_grace_is_only_watched(queue: StubQueue) -> None:
    scheduler = make_scheduler(queue, grace_epochs=2)
    trial = stub_trial(0)
    scheduler.on_trial_add(None, trial)
    early = [make_result(epochs, kind="collapsed") for epochs in (0.5, 1, 1.5)]
    assert send(scheduler, trial, *early, make_result(2, 0.4)) == ["CONTINUE"] * 4
    assert queue.endings == {}


def test_with_few_rows_a_trial_is_left_alone_longer_than_the_grace_of_the_space(queue: StubQueue) -> None:
    pruner = GatedASHA(grace_epochs=1, rows=ROWS, budget_examples=10 * ROWS, reduction_factor=3, gate=GateSettings())
    scheduler = PruningScheduler(queue, pruner)
    trial = stub_trial(0)
    sent = send(scheduler, trial, *[make_result(epochs, kind="collapsed") for epochs in (1, 2, 3)])
    assert sent == ["CONTINUE", "CONTINUE", "STOP"]
    assert queue.endings == {0: "collapsed"}


def test_a_restarted_trial_has_a_new_history(scheduler: PruningScheduler, queue: StubQueue, begin: Any) -> None:
    trial = begin(0)
    send(scheduler, trial, make_result(0.5), make_result(1), make_result(2, kind="collapsed"))
    # Its worker dies, and it starts again: the earlier sign of collapse counts no more.
    sent = send(scheduler, trial, make_result(0.5), make_result(1, kind="collapsed"), make_result(2))
    assert sent == ["CONTINUE"] * 3
    assert queue.endings == {}


def test_the_first_measurement_after_a_restart_is_judged_as_a_first_one(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    trial = begin(0)
    send(scheduler, trial, make_result(1))
    # After a healthy measurement one sign is only watched. As the first measurement at the grace it is enough.
    assert send(scheduler, trial, make_result(1, kind="collapsed")) == ["STOP"]
    assert queue.endings == {0: "collapsed"}


def test_finalists_skip_the_rungs_and_leave_nothing_in_them(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    for index in range(9):
        send(scheduler, begin(index), make_result(1, 0.9))
    before = sorted(rung_values(scheduler))
    finalist = begin(20, "finalist")
    results = [make_result(1, 0.1), make_result(2, kind="collapsed"), make_result(3, kind="collapsed")]
    assert send(scheduler, finalist, *results) == ["CONTINUE"] * 3
    assert send(scheduler, finalist, make_result(27, 0.2)) == ["STOP"]
    assert queue.endings == {20: "completed"}
    assert sorted(rung_values(scheduler)) == before


def test_a_finalist_that_diverges_is_ended(scheduler: PruningScheduler, queue: StubQueue, begin: Any) -> None:
    assert send(scheduler, begin(0, "finalist"), make_result(2, kind="diverged")) == ["STOP"]
    assert queue.endings == {0: "diverged"}


def test_the_measurement_at_the_budget_completes_a_trial_even_below_its_rung(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    for index, score in enumerate((0.9, 0.1)):
        assert send(scheduler, begin(index), make_result(27, score)) == ["STOP"]
    assert queue.endings == {0: "completed", 1: "completed"}


def test_a_trial_whose_time_is_over_is_cut_short_after_its_measurement(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    queue.over = True
    assert send(scheduler, begin(0), make_result(1)) == ["STOP"]
    assert queue.endings == {0: "cut short"}
    assert queue.measurements == [(0, 10)]


def test_a_trial_between_two_measurements_goes_on_unless_its_time_is_over(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    result = {"examples": 4, "stretch": json.dumps({"examples": 4, "seconds": 0.5, "seconds_left": 0.75})}
    trial = begin(0)
    assert send(scheduler, trial, result) == ["CONTINUE"]
    assert queue.stretches == [Stretch(4, 0.5, 0.75)]
    queue.over = True
    assert send(scheduler, trial, result) == ["STOP"]
    assert queue.endings == {0: "cut short"}
    assert not queue.measurements


def test_every_measurement_reaches_the_queue_before_the_ending(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    for index, kind in enumerate(("healthy", "collapsed", "diverged")):
        send(scheduler, begin(index), make_result(1, kind=kind))  # type: ignore[arg-type]
    assert queue.measurements == [(0, 10), (1, 10), (2, 10)]


@pytest.mark.parametrize("hook", ["on_trial_result", "on_trial_complete"])
@pytest.mark.parametrize(
    ("result", "ending", "reason"),
    [
        ({"examples": 0, "failure": "ValueError: no"}, "failed", "ValueError: no"),
        ({"examples": 0, "too_late": True}, "cut short", "the budget was over before it began"),
        ({}, "failed", "the trial ended without a measurement"),
    ],
)
def test_an_end_without_a_measurement_is_recorded_with_its_reason_whichever_callback_ray_uses(
    hook: str,
    result: dict[str, Any],
    ending: str,
    reason: str,
    scheduler: PruningScheduler,
    queue: StubQueue,
    begin: Any,
) -> None:
    trial = begin(0)
    getattr(scheduler, hook)(None, trial, result)
    scheduler.on_trial_complete(None, trial, result)
    assert (queue.endings, queue.reasons) == ({0: ending}, {0: reason})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("", "its worker died 3 times: no message"),
        ("a\nlast line\n", "its worker died 3 times: last line"),
    ],
)
def test_a_trial_whose_worker_died_too_often_has_failed(
    error: str, reason: str, queue: StubQueue, tmp_path: Path
) -> None:
    trial = stub_trial(0)
    trial.error_file, trial.run_metadata.num_failures = str(tmp_path / "error.txt"), 3
    Path(trial.error_file).write_text(error)
    QueueCallback(queue, threading.Event()).on_trial_error(1, [trial], trial)
    assert (queue.endings, queue.reasons) == ({0: "failed"}, {0: reason})


def test_a_trial_that_will_be_retried_has_not_ended(scheduler: PruningScheduler, queue: StubQueue, begin: Any) -> None:
    trial = begin(0)
    scheduler.on_trial_error(None, trial)
    assert queue.endings == {}
    assert send(scheduler, trial, make_result(1)) == ["CONTINUE"]


def fail(scheduler: PruningScheduler, trial: StubTrial, error: str, tmp_path: Path) -> bool:
    """Let a trial fail as Ray records it. Return whether Ray tries it again."""
    trial.run_metadata.num_failures += 1
    trial.error_file = str(tmp_path / "error.txt")
    Path(trial.error_file).write_text(f"Failure # 1 (occurred at noon)\n{error}\n")
    is_tried = trial.should_recover()
    scheduler.on_trial_error(None, trial)
    return is_tried


def test_a_trial_may_lose_any_number_of_nodes(
    scheduler: PruningScheduler, begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = begin(0)
    with monkeypatch.context() as patch:
        patch.setattr(scheduler.places, "is_lost", lambda order, error: True)
        assert all(fail(scheduler, trial, "the node is gone", tmp_path) for _ in range(20))
    assert [fail(scheduler, trial, "a signal", tmp_path) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        ("it died", 3),
        ("tuner.ray_backend.worker.WorkerFailure: RuntimeError: CUDA error: unspecified launch failure", 3),
        ("tuner.ray_backend.worker.WorkerFailure: ImportError: no torch", 2),
        ("MemoryError: out of memory", 2),
    ],
)
def test_how_often_a_trial_is_tried_depends_on_what_failed(
    error: str, tries: int, scheduler: PruningScheduler, begin: Any, tmp_path: Path
) -> None:
    trial = begin(0)
    assert [fail(scheduler, trial, error, tmp_path) for _ in range(tries)] == [*[True] * (tries - 1), False]


def test_a_failure_of_a_worker_is_the_reason_of_the_ending_with_the_number_of_tries(
    queue: StubQueue, tmp_path: Path
) -> None:
    trial = stub_trial(0)
    trial.error_file, trial.run_metadata.num_failures = str(tmp_path / "error.txt"), 2
    Path(trial.error_file).write_text("tuner.ray_backend.worker.WorkerFailure: ImportError: no torch")
    QueueCallback(queue, threading.Event()).on_trial_error(1, [trial], trial)
    assert queue.reasons == {0: "ImportError: no torch (tried 2 times, each in a new process)"}


def test_a_workers_note_is_passed_on(scheduler: PruningScheduler, queue: StubQueue, begin: Any) -> None:
    send(scheduler, begin(4), {**make_result(1), "note": "it begins anew"}, {**make_result(2), "note": ""})
    assert queue.notes == [(4, "it begins anew")]


def test_the_search_ends_once_when_its_time_is_up(queue: StubQueue) -> None:
    callback, stopper = QueueCallback(queue, threading.Event()), TimeStopper(queue)
    callback.on_step_end(0, [])
    assert (queue.run_outs, stopper.stop_all()) == (0, False)
    queue.up = True
    for step in range(2):
        callback.on_step_end(step, [])
    assert (queue.run_outs, stopper.stop_all()) == (1, True)


def test_an_interrupt_is_raised_only_after_a_step(queue: StubQueue) -> None:
    interrupt = threading.Event()
    listener = QueueCallback(queue, interrupt)
    listener.on_step_end(1, [])
    interrupt.set()
    listener.on_trial_start(1, [], stub_trial(0))
    assert not queue.interrupted
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        listener.on_step_end(2, [])
    assert queue.interrupted


def test_a_trial_that_ray_runs_again_after_its_end_is_stopped_and_recorded_once(
    scheduler: PruningScheduler, queue: StubQueue, begin: Any
) -> None:
    trial = begin(0)
    send(scheduler, trial, make_result(1, kind="collapsed"))
    assert send(scheduler, trial, make_result(1, 0.5)) == ["STOP"]  # its worker died before it was stopped
    QueueCallback(queue, threading.Event()).on_trial_error(1, [trial], trial)
    assert queue.endings == {0: "collapsed"}
    assert len(queue.measurements) == 1
    assert rung_values(scheduler) == []


def test_an_ended_trial_leaves_nothing_behind_in_memory(scheduler: PruningScheduler, begin: Any) -> None:
    for index in range(30):
        trial = begin(index)
        send(scheduler, trial, make_result(0.5, kind="collapsed"), make_result(1, kind="collapsed"))
        scheduler.on_trial_remove(None, trial)
    assert (scheduler.pruner.rungs._passed, scheduler.pruner._signs) == ({}, {})


def test_the_queue_is_not_pickled_with_the_scheduler_or_the_searcher(
    scheduler: PruningScheduler, queue: StubQueue
) -> None:
    for part in (scheduler, OrderSearcher(queue)):
        assert vars(pickle.loads(pickle.dumps(part))) == {}


def test_the_searcher_hands_out_orders_and_then_finishes(queue: StubQueue) -> None:
    searcher = OrderSearcher(queue)
    order = Order(index=3, phase="search", configuration={"hidden": 8}, seed=1)
    queue.orders.append(order)
    assert Order(**searcher.suggest("id")["order"]) == order
    assert searcher.suggest("id") == OrderSearcher.FINISHED


def test_the_searcher_waits_while_the_queue_has_no_order_yet(queue: StubQueue) -> None:
    queue.is_done = lambda: False  # type: ignore[method-assign]
    assert OrderSearcher(queue).suggest("id") is None


# --- what the gate is for -----------------------------------------------------------------------------------------------

BUDGET_EPOCHS = 30_000
SLOTS = 8


def healthy_tried(scheduler: AsyncHyperBandScheduler, *, max_epochs: int, seed: int) -> int:
    """Run trials, 80 % of them collapsed, until the epochs are spent. Return how many healthy ones started."""
    generator = np.random.default_rng(seed)
    lives = (_life(index, max_epochs, generator) for index in range(10**6))
    running = [_begin(scheduler, next(lives)) for _ in range(SLOTS)]
    tried = sum(kind == "healthy" for _, kind, _ in running)
    for epoch in range(BUDGET_EPOCHS):
        slot = epoch % SLOTS
        trial, _, results = running[slot]
        if scheduler.on_trial_result(None, trial, next(results)) == "STOP":
            running[slot] = _begin(scheduler, next(lives))
            tried += running[slot][1] == "healthy"
    return tried


def _life(
    index: int, max_epochs: int, generator: np.random.Generator
) -> tuple[StubTrial, Kind, Iterator[dict[str, Any]]]:
    kind: Kind = "collapsed" if generator.random() < 0.8 else "healthy"
    best = float(generator.uniform(0.2, 0.6))
    if kind == "collapsed":
        results = (_collapsed_result(epoch, max_epochs) for epoch in range(1, max_epochs + 1))
    else:
        results = (make_result(epoch, best, max_epochs=max_epochs) for epoch in range(1, max_epochs + 1))
    return stub_trial(index), kind, results


@functools.cache  # all collapsed results of an epoch are the same
def _collapsed_result(epoch: int, max_epochs: int) -> dict[str, Any]:
    return make_result(epoch, kind="collapsed", max_epochs=max_epochs)


def _begin(scheduler: AsyncHyperBandScheduler, life: Any) -> Any:
    scheduler.on_trial_add(None, life[0])
    return life


def test_the_gate_tries_thirty_times_as_many_healthy_configurations_as_stock_asha() -> None:
    """The gate was built because of this: it tried 5,400 healthy configurations where stock ASHA tried 136.

    Here it is 3,573 against 71. Other seeds give 26 to 50 times as many, and 32 to 50 times in a budget of 50,000 epochs.
    They differ because the first trials at an empty rung decide for a while which ones stock ASHA stops.
    """
    max_epochs = 81
    stock = AsyncHyperBandScheduler(
        time_attr="examples",
        metric="score",
        mode="max",
        grace_period=ROWS,
        max_t=max_epochs * ROWS,
        reduction_factor=3,
    )
    gated = make_scheduler(StubQueue(), max_epochs=max_epochs)
    with_stock = healthy_tried(stock, max_epochs=max_epochs, seed=1)
    with_gate = healthy_tried(gated, max_epochs=max_epochs, seed=1)
    assert with_gate >= 30 * with_stock, (with_gate, with_stock)


def test_without_collapsed_trials_the_pruner_decides_as_stock_asha_does() -> None:
    stock = AsyncHyperBandScheduler(
        time_attr="examples", metric="score", mode="max", grace_period=ROWS, max_t=27 * ROWS, reduction_factor=3
    )
    gated = make_scheduler(StubQueue())
    generator = np.random.default_rng(0)
    decisions: list[list[str]] = [[], []]
    for index in range(200):
        score, trial = float(generator.uniform(0.2, 0.6)), stub_trial(index)
        for scheduler, made in zip((stock, gated), decisions, strict=True):
            scheduler.on_trial_add(None, trial)
            for epoch in range(1, 28):
                made.append(scheduler.on_trial_result(None, trial, make_result(epoch, score)))
                if made[-1] == "STOP":
                    break
    assert decisions[0] == decisions[1]
