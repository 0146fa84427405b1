"""The baselines of a search, as a job on a worker of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tuner.data.dataset import Dataset
from tuner.ray_backend.start import Job
from tuner.signals import die_on_abort

if TYPE_CHECKING:
    from tuner.baselines.baseline import Baseline

_LOW_PRIORITY = 5
"""Added to the niceness of the baselines. Beside two trials on two cores they then get about a quarter of a core, or more
if a trial waits; at 10 they would get a tenth, and might still run when the search ends."""
_SHORT_S = 120  # a search with less time needs its baselines sooner


def start_baselines(dataset: Dataset, *, penalty_weight: float, seed: int, limit_s: float | None) -> Job:
    """Start the baselines at a low priority: they take what the trials leave, but must be ready for a short search too."""
    priority = 0 if limit_s is not None and limit_s < _SHORT_S else _LOW_PRIORITY
    return Job("baselines", _describe_on_worker, dataset, penalty_weight, seed, priority)


def _describe_on_worker(
    dataset: Dataset, penalty_weight: float, seed: int, priority: int
) -> tuple[tuple[Baseline, ...], dict[str, Any]]:
    """Return the baselines, and descriptions of data and baselines as JSON values by file of the ledger.

    `priority` is added to the worker's niceness.
    """
    # Imported late: each takes a second, and the driver needs none of them.
    from tuner.baselines.run import run_baselines
    from tuner.data.profile import profile
    from tuner.search.champion_test import describe_baselines

    die_on_abort()
    os.nice(priority)
    profiled = profile(dataset)
    baselines = run_baselines(dataset, seed=seed)
    described = describe_baselines(baselines, dataset, penalty_weight=penalty_weight, seed=seed)
    return baselines, {"data": profiled, "baselines": described}
