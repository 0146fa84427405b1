"""What a report, a proposal, resuming and showing cost the driver in a search of ten thousand trials, a thousand at once."""

from __future__ import annotations

import heapq
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

import numpy as np

from benchmarks.processes import resident_mb
from benchmarks.row import Row, at_most, explains

TRIALS = 10_000
RUNNING = 1000
PLAYED = (
    RUNNING + 500
)  # the last of them are run one message after the other; those before are taken over from a ledger
FEW = 500  # trials of the search that it is compared with, of which a tenth runs at once
ROWS = 20_000
MAX_EPOCHS = 9
STRETCHES = 2  # messages of a trial between two measurements


@dataclass
class StubTrial:
    """The parts of Ray's trial that the scheduler reads, and how its training goes."""

    config: dict[str, Any]
    merit: float
    epochs: int = 0
    trial_id: str = ""


@dataclass
class Costs:
    """Seconds of the processor that the driver spent on each message, in the order in which they came."""

    reports: list[float] = field(default_factory=list)
    stretches: list[float] = field(default_factory=list)
    asks: list[float] = field(default_factory=list)

    def timed(self, costs: list[float], act: Callable[[], Any]) -> Any:
        """Return what `act` returns, and add its cost."""
        begun = time.process_time()
        result = act()
        costs.append(time.process_time() - begun)
        return result


def measure() -> list[Row]:
    """Drive the real queue, sampler, pruner, ledger and ranking with measurements that nothing was trained for.

    Ray calls the same functions; what Ray itself takes is not in the figures.
    """
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        few = Search(Path(folder, "few"), trials=FEW, running=FEW // 10).play(FEW)
        many = Search(Path(folder, "many"), trials=TRIALS, running=RUNNING)
        many.take_over(TRIALS - PLAYED)
        costs = many.play(PLAYED)
        memory_mb = resident_mb(os.getpid())
        return [
            _cost("a report", 2, costs.reports, few.reports),
            _cost("news of a trial between reports", None, costs.stretches, few.stretches),
            _cost("a proposal", 10, costs.asks, few.asks),
            at_most("memory of the driver", 1000, memory_mb, "MB"),
            *_read_again(Path(folder, "many")),
        ]


def _cost(name: str, asked: float | None, seconds: list[float], of_few: list[float]) -> Row:
    mean = 1000 * fmean(seconds)
    detail = (
        f"processor time, mean of {len(seconds):,}; 1 in 100 took over {1000 * quantiles(seconds, n=100)[-1]:.1f} ms; in a "
        f"search of {FEW:,} trials {1000 * fmean(of_few):.2f} ms"
    )
    return explains(name, mean, "ms", detail) if asked is None else at_most(name, asked, mean, "ms", detail)


class Search:
    """A search at `location` whose trials are made up."""

    def __init__(self, location: Path, *, trials: int, running: int) -> None:
        from tuner.ledger.run_directory import Ledger
        from tuner.ray_backend.scheduler import PruningScheduler
        from tuner.ray_backend.trials import OrderSearcher, QueueCallback

        self._location, self._trials, self._running = location, trials, running
        self._ledger = Ledger.create(str(location), space=make_space(trials).text, environment={"seed": 0})
        self._queue, self._pruner = make_queue(self._ledger, trials=trials, slots=running)
        self._scheduler = PruningScheduler(self._queue, self._pruner)
        self._searcher = OrderSearcher(self._queue)
        self._callback = QueueCallback(self._queue, threading.Event())
        self._random = np.random.default_rng(0)

    def take_over(self, trials: int) -> None:
        """Write trials that have ended to the ledger, and take them over as a resumed search does."""
        from tuner.ledger.rows import measurement_row, trial_row
        from tuner.samplers.random import RandomSampler
        from tuner.trial.ending import Ending
        from tuner.trial.measurement import Measurement
        from tuner.trial.order import Order
        from tuner.trial.record import TrialRecord

        sampler = RandomSampler(make_space(trials).parameters, seed=0)
        for index in range(trials):
            record = TrialRecord(Order(index, "search", sampler.ask(index), index), starts=1)
            trial = StubTrial({}, float(self._random.normal(0.5, 0.1)))
            for epoch in range(1, 1 + int(self._random.choice((1, 1, 1, 3, 3, MAX_EPOCHS)))):
                trial.epochs = epoch
                measurement = Measurement(**self._measure(trial))
                record.add(measurement)
                self._ledger.add(
                    "reports", {"trial": index, "start": 1, **measurement_row(measurement), "reported_s": float(index)}
                )
            record.ending = Ending.COMPLETED if trial.epochs == MAX_EPOCHS else Ending.STOPPED
            self._ledger.add("trials", trial_row(record, now=index + 1.0))
        self._ledger.settle()
        recorded = read_recorded(self._location)
        self._queue.replay(recorded)
        self._pruner.replay(recorded.measurements, running=())

    def play(self, trials: int) -> Costs:
        """Run until this many trials have been proposed. Return what it cost from when all that may run do."""
        costs = Costs()
        under_way: list[tuple[float, int, StubTrial]] = []
        asked, now = 0, 0.0
        while asked < trials:
            while len(under_way) < self._running:
                heapq.heappush(under_way, (now + self._random.uniform(0.5, 2), asked, self._begin(costs)))
                asked += 1
            now, number, trial = heapq.heappop(under_way)
            if self._advance(trial, costs):
                heapq.heappush(under_way, (now + self._random.uniform(0.5, 2), number, trial))
        return costs

    def _begin(self, costs: Costs) -> StubTrial:
        config = costs.timed(costs.asks, lambda: self._searcher.suggest("any"))
        trial = StubTrial(config, float(self._random.normal(0.5, 0.1)))
        self._callback.on_trial_start(0, [], trial)
        return trial

    def _advance(self, trial: StubTrial, costs: Costs) -> bool:
        """Send what a trial's worker sends for one epoch. Return whether the trial goes on."""
        for part in range(1, STRETCHES + 1):
            examples = round(ROWS * (trial.epochs + part / (STRETCHES + 1)))
            stretch = {"examples": examples, "seconds": 0.5 * part, "seconds_left": 1.0, "load": 1.0}
            costs.timed(costs.stretches, partial(self._send, trial, {"stretch": json.dumps(stretch)}))
        trial.epochs += 1
        measurement = json.dumps(self._measure(trial))
        result = {"measurement": measurement, "is_to_be_kept": trial.epochs in (1, 3)}  # at the rungs
        decision = costs.timed(costs.reports, partial(self._send, trial, result))
        if decision == "CONTINUE":
            return True
        self._scheduler.on_trial_complete(None, trial, result)
        return False

    def _send(self, trial: StubTrial, result: dict[str, Any]) -> str:
        decision = self._scheduler.on_trial_result(None, trial, result)
        self._callback.on_step_end(0, [])
        return decision

    def _measure(self, trial: StubTrial) -> dict[str, Any]:
        from tuner.trial.measurement import Measurement

        score = trial.merit * (1 - 0.5**trial.epochs) + 0.01 * float(self._random.normal())
        return asdict(
            Measurement(
                examples=ROWS * trial.epochs,
                epochs=float(trial.epochs),
                score=score,
                score_spread=float("nan"),
                macro_f1=score,
                constant_penalty=0.0,
                skill=0.1,
                auc=0.8,
                average_precision=0.5,
                logit_spread=1.0,
                train_loss=0.3,
                gradient_norm=1.0,
                steps=300,
                train_seconds=1.0,
                evaluate_seconds=0.1,
                diverged_at_step=None,
                is_last=trial.epochs >= MAX_EPOCHS,
                parameters=100_000,
                precision="float32",
                vocabulary_found=0.9,
            )
        )


def make_space(trials: int) -> Any:
    from tuner.space.load import load_space

    settings = {
        "search.trials": trials,
        "search.time": "24h",
        "search.max_epochs": MAX_EPOCHS,
        "search.grace_epochs": 1,
        "search.reports_per_epoch": 1,
        "search.finalists": 3,
        "search.seeds": 3,
        "first": "null",
    }
    return load_space("multilabel", [f"{name}={value}" for name, value in settings.items()])


def make_queue(ledger: Any, *, trials: int, slots: int) -> tuple[Any, Any]:
    """Return the queue and the pruner of a search."""
    from tuner.pruners.gate import GateSettings
    from tuner.pruners.gated_asha import GatedASHA
    from tuner.samplers.base import make_sampler
    from tuner.search.time_budget import ClosingWork, TimeBudget
    from tuner.search.trial_queue import SearchQueue
    from tuner.search.watcher import Watcher

    space, start = make_space(trials), time.monotonic()
    budget = TimeBudget(
        space=space,
        clock=lambda: time.monotonic() - start,
        slots=slots,
        budget_examples=MAX_EPOCHS * ROWS,
        closing_work=ClosingWork(validation=4000, test=4000, labels=16),
    )
    queue = SearchQueue(make_sampler(space), ledger, budget, Watcher(say=lambda _: None, watch=lambda _: None))
    pruner = GatedASHA(
        grace_epochs=space.search.grace_epochs,
        rows=ROWS,
        budget_examples=MAX_EPOCHS * ROWS,
        reduction_factor=space.search.reduction_factor,
        gate=GateSettings(),
    )
    return queue, pruner


def read_recorded(location: Path) -> Any:
    from tuner.ledger.rows import read_recorded_run
    from tuner.ledger.run_directory import read_measurements, read_run

    return read_recorded_run(read_run(location), read_measurements(location))


def _read_again(location: Path) -> list[Row]:
    """Time what reads the whole ledger: resuming, `tuner show` and `tuner report`."""
    from click.testing import CliRunner

    from tuner.cli.show import show
    from tuner.ledger.run_directory import Ledger
    from tuner.report.material import gather
    from tuner.report.page import render

    times: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = act()
        times[name] = time.process_time() - begun
        return result

    recorded = timed("reading", lambda: read_recorded(location))
    queue, pruner = make_queue(Ledger(str(location)), trials=TRIALS, slots=RUNNING)
    timed("the queue and the sampler", lambda: queue.replay(recorded))
    timed("the pruner", lambda: pruner.replay(recorded.measurements, running=()))
    parts = "; ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
    resuming = explains("resuming", sum(times.values()), "s", parts)
    times.clear()
    timed("tuner show", lambda: CliRunner().invoke(show, [str(location)], catch_exceptions=False))
    timed("tuner report", lambda: render(gather(location)))
    return [resuming, *(explains(name, seconds, "s") for name, seconds in times.items())]
