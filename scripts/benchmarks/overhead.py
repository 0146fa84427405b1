"""The cost of a trial that hardly trains, and the driver's memory over a thousand such trials."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import parameters
from benchmarks.processes import resident_mb
from benchmarks.row import Row, at_most, explains

TRIALS = 1000
SLOTS = 2
MARKS = (100, 500, 1000)  # trials ended
ROWS = 40
FLAT_MB = 10.0  # between the first and the last mark
_WORDS = ("red", "blue", "green", "up", "down", "left")


def measure() -> list[Row]:
    """Run the real queue, ledger, scheduler and trainable with a random sampler on 40 rows, two trials at once."""
    from tuner.ray_backend.start import start_ray, stop_ray
    from tuner.space.search_settings import ResourceSettings

    start_ray(None, ResourceSettings(concurrent=SLOTS))
    try:
        queue, memory_mb, inside = _search()
    finally:
        stop_ray()
    ends = sorted(queue.ended_at)
    per_trial_ms = 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)
    gaps_ms = [1000 * (later - sooner) for sooner, later in pairwise(ends)]
    growth = memory_mb[MARKS[-1]] - memory_mb[MARKS[0]]
    by_trials = ", ".join(f"{mb:.0f} MB after {trials:,}" for trials, mb in memory_mb.items())
    detail = (
        f"wall time over {len(ends)} trials, {SLOTS} at once, without the first; training and evaluation take "
        f"{1000 * statistics.mean(inside) / SLOTS:.1f} ms; last hundred {statistics.mean(gaps_ms[-100:]):.0f} ms"
    )
    per_kilo = 1024 * growth / (MARKS[-1] - MARKS[0])
    return [
        at_most("a trial that does nothing", 100, per_trial_ms, "ms", detail),
        at_most(
            f"growth of the driver, {MARKS[0]} to {MARKS[-1]:,} trials",
            FLAT_MB,
            growth,
            "MB",
            f"{by_trials}; {per_kilo:.0f} KB a trial",
        ),
        explains(
            "slowest step from one end to the next", max(gaps_ms), "ms", f"median {statistics.median(gaps_ms):.0f} ms"
        ),
    ]


def _search() -> tuple[Any, dict[int, float], list[float]]:
    """Return the queue, megabytes by number of trials, and seconds of training and evaluation of every measurement."""
    from tuner.ledger.run_directory import Ledger, read_measurements
    from tuner.pruners.gate import GateSettings
    from tuner.pruners.gated_asha import GatedASHA
    from tuner.ray_backend.trials import run_trials
    from tuner.samplers.base import make_sampler
    from tuner.search.time_budget import ClosingWork, TimeBudget
    from tuner.search.trial_queue import SearchQueue
    from tuner.search.watcher import Watcher
    from tuner.trial.order import TrialSettings

    memory_mb: dict[int, float] = {}

    class MeasuringQueue(SearchQueue):
        """Records when trials end, and the driver's memory after some of them."""

        ended_at: list[float]

        def ended(self, order: Any, ending: str, reason: str) -> None:
            super().ended(order, ending, reason)
            if order.phase == "search":
                self.ended_at.append(time.perf_counter())
                if len(self.ended_at) in MARKS:
                    memory_mb[len(self.ended_at)] = resident_mb(os.getpid())

    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        space = _load_space(Path(folder))
        start = time.monotonic()
        ledger = Ledger.create(f"{folder}/run", space=space.text, environment={})
        budget = TimeBudget(
            space=space,
            clock=lambda: time.monotonic() - start,
            slots=SLOTS,
            budget_examples=ROWS,
            closing_work=ClosingWork(),
        )
        watcher = Watcher(say=lambda _: None, watch=lambda _: None)
        queue = MeasuringQueue(make_sampler(space), ledger, budget, watcher)
        queue.ended_at = []
        pruner = GatedASHA(
            grace_epochs=space.search.grace_epochs,
            rows=ROWS,
            budget_examples=ROWS,
            reduction_factor=space.search.reduction_factor,
            gate=GateSettings(),
        )
        settings = TrialSettings(max_epochs=1, reports_per_epoch=1, penalty_weight=1.0, threads=1)
        run_trials(queue, _tiny_data(), settings, pruner=pruner, resources=space.resources, slots=SLOTS, watch=None)
        measurements = read_measurements(f"{folder}/run").to_pylist()
    return (
        queue,
        memory_mb,
        [measurement["train_seconds"] + measurement["evaluate_seconds"] for measurement in measurements],
    )


def _load_space(folder: Path) -> Any:
    """Return a space of small configurations with a few ranges, so that orders are as large as in a real search."""
    from tuner.space.load import load_space

    path = folder / "tiny.yaml"
    path.write_text(
        f"""
task: multilabel
data: {{train: unread.parquet, labels: labels}}
search: {{algorithm: random, trials: {TRIALS}, max_epochs: 1, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 1}}
resources: {{concurrent: {SLOTS}}}
space:
  tokens: {{word: {{min_count: 1}}}}
  embedding: {{random: {{size: 4}}}}
  hidden: 4
  precision: float32
  dropout: {{low: 0.0, high: 0.5}}
  learning_rate: {{low: 1e-4, high: 1e-2, scale: log}}
  clipping: [none, {{norm: {{threshold: {{low: 0.5, high: 5, scale: log}}}}}}]
"""
    )
    return load_space(str(path))


def _tiny_data() -> Any:
    from tuner.data.dataset import Dataset, Split
    from tuner.data.trial_data import prepare

    generator = np.random.default_rng(0)

    def split(name: str) -> Split:
        return Split(
            inputs=tuple(" ".join(generator.choice(_WORDS, 4)) for _ in range(ROWS)),
            targets=generator.integers(0, 2, (ROWS, 3)).astype(np.uint8),
            rows=np.arange(1, ROWS + 1),
            source=name,
            blocks=np.arange(ROWS),
        )

    dataset = Dataset(
        task="multilabel",
        labels=("a", "b", "c"),
        seen=np.ones(3, bool),
        train=split("train"),
        validation=split("validation"),
        test=split("test"),
        notes=(),
        fingerprints={},
    )
    return prepare(dataset, parameters())
