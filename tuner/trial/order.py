"""The order to run a trial, and the queue that hands out orders. Plain values, without torch or Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tuner.space.configuration import Configuration
from tuner.training.device import CPU
from tuner.trial.ending import Ending
from tuner.trial.measurement import Measurement

Phase = Literal["search", "finalist"]
PAUSE_S = 0.5
_PAUSE_PER_SLOT_S = 0.004


def pause_s(slots: int) -> float:
    """Return after how many seconds each of `slots` trials pauses for the driver.

    The driver takes about 1.2 ms for a pause, of which 1 ms is Ray's. With more than a hundred trials, pauses twice a second
    would keep it so busy that trials waited for it. So they pause less often, and it is busy a third of the time.
    """
    return max(PAUSE_S, _PAUSE_PER_SLOT_S * slots)


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a search share.

    A trial ends after `patience` measurements without a better score, if that is set. It writes a checkpoint at each of
    the `rungs`, in examples seen. `gpu_share` is its share of a GPU, whose memory it does not exceed. After `pause_s` seconds of
    training it pauses for the driver, which may end it.
    """

    max_epochs: float
    reports_per_epoch: int
    penalty_weight: float
    patience: int | None = None
    threads: int = 1
    device: str = CPU
    gpu_share: float = 1.0
    rungs: tuple[int, ...] = ()
    pause_s: float = PAUSE_S


@dataclass(frozen=True, slots=True)
class Order:
    """One trial to run.

    `weights` is where the trial writes its best weights; None if it writes none. A search trial writes them only for a
    measurement that has not collapsed and scores above `keep_above`. `checkpoint` is where the trial writes its state. If
    the file exists already, the trial continues from it.

    A trial does not start after `start_before` (seconds since the epoch). Ray asks for trials before it has free workers,
    so a worker may come too late. `sizes` replace fields of the TrialSettings, if the search was sized again after its workers
    got these. With `is_measured_then`, a finalist's run that has no measurement by then takes one at once,
    and a search trial takes one halfway from its start until then.
    """

    index: int
    phase: Phase
    configuration: Configuration
    seed: int
    weights: str | None = None
    checkpoint: str | None = None
    start_before: float | None = None
    is_measured_then: bool = False
    keep_above: float | None = None
    sizes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """How far a trial is between two measurements.

    `seconds` have passed since the last one. At the trial's present speed, the next one is due in `seconds_left`. `load` is how
    many times as long the stretch took as it would have on a core of its own.
    """

    examples: int
    seconds: float
    seconds_left: float
    load: float = 1.0


class TrialQueue(Protocol):
    """Hands out orders and records what becomes of them. `tuner.search.trial_queue` has the one that runs a search."""

    def next_order(self) -> Order | None:
        """Return a trial to run, or None if there is none yet."""

    def is_done(self) -> bool:
        """Return whether no more orders will come."""

    def started(self, order: Order) -> None:
        """Record that a worker started a trial, for the first time or again after its worker died."""

    def placed(self, order: Order, node: str, gpu: str) -> None:
        """Record on which node a trial runs, and on which of its GPUs, "" without one."""

    def node_lost(self, order: Order, node: str) -> None:
        """Record that a trial has lost the node it ran on. It goes on elsewhere."""

    def left_out(self, place: str, why: str) -> None:
        """Record that no trials go to a node or a GPU any more, after the last failure there."""

    def give_up(self, why: str) -> None:
        """Record that no trial can succeed any more."""

    def waits(self, order: Order) -> None:
        """Record that a trial whose worker died waits for another worker."""

    def measured(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        """Record a measurement, before anything acts on it.

        With `is_to_be_kept`, write it to disk at once. If the trial goes on, it writes a checkpoint next, and the ledger
        must not lag behind the checkpoint.
        """

    def advanced(self, order: Order, stretch: Stretch) -> None:
        """Record how far a trial is on its way to the next measurement."""

    def noted(self, order: Order, note: str) -> None:
        """Show the user a note about a trial."""

    def interrupt(self) -> None:
        """Record every running trial as interrupted, and write that to disk."""

    def ended(self, order: Order, ending: Ending, reason: str) -> None:
        """Record how a trial ended."""

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending is recorded."""

    def hung(self) -> Sequence[Order]:
        """Return the trials that have sent nothing for too long, after recording that they failed."""

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""

    def is_time_up(self) -> bool:
        """Return whether no trial may run any more."""

    def run_out(self) -> None:
        """Record that every running trial ended because the time is up, and hand out no more orders."""

    def tick(self) -> None:
        """Do regular work, such as writing waiting rows. Called a few times a second; may raise to end the search."""
