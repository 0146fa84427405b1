"""The pruners by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tuner.pruners.base import Pruner
from tuner.pruners.gate import GateSettings
from tuner.pruners.gated_asha import GatedASHA


class PrunerClass(Protocol):
    """How a pruner is made: for trials of `budget_examples`, where an epoch has `rows` examples."""

    def __call__(
        self, *, grace_epochs: float, rows: int, budget_examples: int, reduction_factor: float, gate: GateSettings
    ) -> Pruner: ...


PRUNERS: Mapping[str, PrunerClass] = {"gated_asha": GatedASHA}
