"""A stand-in for Ray's trial."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from tuner.trial.order import Order


class StubTrial:
    """The parts of Ray's trial that the scheduler reads. Its worker has died `failures` times."""

    def __init__(self, order: Order, *, failures: int = 0) -> None:
        self.order = order
        self.config = {"order": asdict(order)}
        self.trial_id = f"id-{order.index}"
        self.error_file: str | None = None
        self.run_metadata = SimpleNamespace(num_failures=failures)
        self.max_failures = 2
        self.placement_group_factory: Any = SimpleNamespace(required_resources={"CPU": 1.0})

    def update_resources(self, resources: Any) -> None:
        """Take other resources for the next try."""
        self.placement_group_factory = resources

    def should_recover(self) -> bool:
        """Whether Ray would try it again."""
        return bool(self.run_metadata.num_failures <= self.max_failures)


def step_on(worker: Any) -> dict[str, Any]:
    """Let a TrialOnWorker take steps until one says more than how far the trial is: a measurement or the end."""
    while "stretch" in (result := worker.step()):
        pass
    return dict(result)
