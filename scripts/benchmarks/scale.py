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

TRIALS = int(os.environ.get("TUNER_SCALE_TRIALS", "10000"))
RUNNING = min(1000, TRIALS // 10)
ROWS = 20_000
MAX_EPOCHS = 9
STRETCHES = 2  # messages of a trial between two measurements
LATEST = 0.1  # share of the trials, at the end, whose costs are the figures
_SETTINGS = (
    f"search.trials={TRIALS}",
    "search.time=24h",
    f"search.max_epochs={MAX_EPOCHS}",
    "search.grace_epochs=1",
    "search.reports_per_epoch=1",
    "search.finalists=3",
    "search.seeds=3",
    "first=null",
)


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

    Ray calls the same functions, and itself takes about a millisecond a message.
    """
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        run = Path(folder, "run")
        begun = time.monotonic()
        costs, marks = Search(run).play()
        detail = f"{TRIALS:,} trials, {RUNNING:,} running, {len(costs.reports):,} reports in {time.monotonic() - begun:.0f} s"
        memory_mb = resident_mb(os.getpid())
        return [
            _cost("a report", 2, costs.reports, detail),
            _cost("news of a trial between reports", None, costs.stretches),
            _cost("a proposal", 10, costs.asks),
            at_most("memory of the driver", 1000, memory_mb, "MB", ", ".join(marks)),
            *_read_again(run),
        ]


def _cost(name: str, asked: float | None, seconds: list[float], detail: str = "") -> Row:
    """Return the mean of the latest, beside that of the first ones."""
    few = max(2, round(LATEST * len(seconds)))
    first, last = fmean(seconds[:few]), fmean(seconds[-few:])
    slowest = quantiles(seconds[-few:], n=100)[-1]
    parts = f"processor time; the first tenth {1000 * first:.2f} ms; 1 in 100 took over {1000 * slowest:.1f} ms"
    text = f"{parts}; {detail}" if detail else parts
    return explains(name, 1000 * last, "ms", text) if asked is None else at_most(name, asked, 1000 * last, "ms", text)


class Search:
    """A search at `location` whose trials are made up."""

    def __init__(self, location: Path) -> None:
        from tuner.ledger.run_directory import Ledger
        from tuner.ray_backend.scheduler import PruningScheduler
        from tuner.ray_backend.trials import OrderSearcher, QueueCallback

        self.space, self.queue, pruner = make_queue(
            lambda space: Ledger.create(str(location), space=space, environment={"seed": 0})
        )
        self._scheduler = PruningScheduler(self.queue, pruner)
        self._searcher = OrderSearcher(self.queue)
        self._callback = QueueCallback(self.queue, threading.Event(), self._scheduler)
        self._random = np.random.default_rng(0)

    def play(self) -> tuple[Costs, list[str]]:
        """Run all search trials. Return the costs, and the driver's memory after a tenth and all of the trials."""
        costs, marks = Costs(), []
        under_way: list[tuple[float, int, StubTrial]] = []
        asked, now = 0, 0.0
        while under_way or not asked:
            while len(under_way) < RUNNING and asked < TRIALS:
                trial = self._begin(costs)
                heapq.heappush(under_way, (now + self._random.uniform(0.5, 2), asked, trial))
                asked += 1
                if asked in (RUNNING, TRIALS):
                    marks.append(f"{resident_mb(os.getpid()):.0f} MB after {asked:,} proposals")
            now, number, trial = heapq.heappop(under_way)
            if self._advance(trial, costs):
                heapq.heappush(under_way, (now + self._random.uniform(0.5, 2), number, trial))
        return costs, marks

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


def make_queue(open_ledger: Callable[[str], Any]) -> tuple[Any, Any, Any]:
    """Return a space, its queue over a ledger, and its pruner."""
    from tuner.pruners.gate import GateSettings
    from tuner.pruners.gated_asha import GatedASHA
    from tuner.samplers.base import make_sampler
    from tuner.search.time_budget import ClosingWork, TimeBudget
    from tuner.search.trial_queue import SearchQueue
    from tuner.search.watcher import Watcher
    from tuner.space.load import load_space

    space = load_space("multilabel", _SETTINGS)
    start = time.monotonic()
    budget = TimeBudget(
        space=space,
        clock=lambda: time.monotonic() - start,
        slots=RUNNING,
        budget_examples=MAX_EPOCHS * ROWS,
        closing_work=ClosingWork(validation=4000, test=4000, labels=16),
    )
    queue = SearchQueue(
        make_sampler(space), open_ledger(space.text), budget, Watcher(say=lambda _: None, watch=lambda _: None)
    )
    pruner = GatedASHA(
        grace_epochs=space.search.grace_epochs,
        rows=ROWS,
        budget_examples=MAX_EPOCHS * ROWS,
        reduction_factor=space.search.reduction_factor,
        gate=GateSettings(),
    )
    return space, queue, pruner


def _read_again(location: Path) -> list[Row]:
    """Time what reads the whole ledger: resuming, `tuner show` and `tuner report`."""
    from click.testing import CliRunner

    from tuner.cli.show import show
    from tuner.ledger.rows import read_recorded_run
    from tuner.ledger.run_directory import Ledger, read_measurements, read_run
    from tuner.report.material import gather
    from tuner.report.page import render

    times: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = act()
        times[name] = time.process_time() - begun
        return result

    run = timed("reading the trials", lambda: read_run(location))
    measurements = timed("reading the measurements", lambda: read_measurements(location))
    recorded = timed("making the records", lambda: read_recorded_run(run, measurements))
    _, queue, pruner = make_queue(lambda _: Ledger(str(location)))
    timed("the queue and the sampler", lambda: queue.replay(recorded))
    timed("the pruner", lambda: pruner.replay(recorded.measurements, running=()))
    parts = "; ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
    rows = [explains("taking over the run", sum(times.values()), "s", parts)]
    timed("tuner show", lambda: CliRunner().invoke(show, [str(location)], catch_exceptions=False))
    material = timed("reading for the report", lambda: gather(location))
    timed("rendering the report", lambda: render(material))
    return rows + [explains(name, times[name], "s") for name in list(times)[-3:]]
