"""The interface of a pruner: measurements in, decisions out. Pure: no Ray, no files, no clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tuner.pruners.gate import Signs


class PrunedTrial(Protocol):
    """What a pruner reads of a trial. `tuner.trial.order.Order` fits this protocol."""

    @property
    def index(self) -> int: ...
    @property
    def phase(self) -> Literal["search", "finalist"]: ...
    @property
    def configuration(self) -> Mapping[str, Any]: ...


class PrunedMeasurement(Protocol):
    """What a pruner reads of a measurement. `tuner.trial.measurement.Measurement` fits it and explains each value."""

    @property
    def examples(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def signs(self) -> Signs: ...
    @property
    def diverged_at_step(self) -> int | None: ...
    @property
    def precision(self) -> str: ...
    @property
    def is_last(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """How a trial ends, and the reason in words. `ending` is the text of a `tuner.trial.ending.Ending`."""

    ending: Literal["completed", "stopped", "collapsed", "diverged"]
    reason: str = ""


class Pruner(ABC):
    """Decides after each measurement whether a trial goes on.

    A pruner decides by the measurements alone, so the same measurements in the same order give the same decisions.
    """

    @abstractmethod
    def judge(self, trial: PrunedTrial, measurement: PrunedMeasurement) -> Decision | None:
        """Take in a trial's latest measurement. Return how the trial ends, or None if it goes on.

        A worker that replaces a dead one repeats the measurements since the last checkpoint, and this method gets them
        again.
        """

    @abstractmethod
    def replay(self, measurements: Iterable[tuple[int, PrunedMeasurement]], *, running: Collection[int]) -> None:
        """Restore what the pruner knew when a run stopped.

        `measurements` come from search trials, each with its trial's number, in the order in which they arrived. `running`
        are the trials that go on. A crash may have come between the measurement that ends a trial and its ending, so the
        pruner has to end that trial when the measurement is repeated.
        """

    @abstractmethod
    def begin_again(self, *, grace_epochs: float, budget_examples: int) -> None:
        """Forget everything, and judge by another first rung and another budget: the search was sized again."""

    @abstractmethod
    def forget(self, index: int) -> None:
        """Drop what is kept about a trial, because it has ended. Keep its scores, which other trials are compared with."""
