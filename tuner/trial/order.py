"""What a trial is asked to do, and the queue that the orders come from. Plain values, without torch or Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tuner.space.configuration import Configuration
from tuner.trial.measurement import Measurement

Phase = Literal["search", "finalist"]


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a search share. A trial ends after `patience` reports without a better score, if that is set.

    At `rungs`, examples seen, it keeps what it can go on from.
    """

    max_epochs: float
    reports_per_epoch: int
    penalty_weight: float
    patience: int | None = None
    threads: int = 1
    device: str = "cpu"
    rungs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One trial to run. `weights` is where it keeps its best weights, None where it keeps none; a search trial does so only
    for a healthy report with a score above `keep_above`. `checkpoint` is where it goes on from, if there is something.

    A search trial does not start after `start_before` (seconds since the epoch): Ray asks for trials before there are
    free workers for them, and those may come too late.
    """

    index: int
    phase: Phase
    configuration: Configuration
    seed: int
    weights: str | None = None
    checkpoint: str | None = None
    start_before: float | None = None
    keep_above: float | None = None


class TrialQueue(Protocol):
    """Where orders come from and what becomes of them goes to; `tuner.search` has the one that runs a search."""

    def next_order(self) -> Order | None:
        """Return a trial to run, or None if there is none yet."""

    def is_done(self) -> bool:
        """Return whether no order will come any more."""

    def started(self, order: Order) -> None:
        """Note that a worker has begun a trial, for the first time or again after its worker died."""

    def waits(self, order: Order) -> None:
        """Note that a trial whose worker died waits for another one."""

    def reported(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        """Note a report, before anything acts on it.

        With `is_to_be_kept` see to it that it outlives this process: the trial, if it goes on, makes a checkpoint of where it
        stands, and what is known of it must not end before that.
        """

    def noted(self, order: Order, note: str) -> None:
        """Say something about a trial that a person should know."""

    def interrupt(self) -> None:
        """Note every trial that has not ended as interrupted, and see to it that this is kept."""

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending has been noted."""

    def hung(self) -> Sequence[Order]:
        """Return the trials that have sent nothing for too long, after noting that they failed."""

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""

    def tick(self) -> None:
        """Run a few times a second for what has to happen now and then; may raise to end the search."""
