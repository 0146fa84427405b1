"""How a trial ends."""

from __future__ import annotations

from enum import StrEnum

PLANNED_AGAIN = "the search was planned again, and its configuration began again"
"""The reason of a trial that the second plan cut short. It does not count beside the trial that took over its configuration."""

FEW_TRIALS = 10
"""Fewer trials say nothing about how many fail."""
WORRYING_SHARE = 0.1
"""If more trials fail, the user is told."""


class Ending(StrEnum):
    """How a trial ended. The value is the text in the ledger."""

    COMPLETED = "completed"
    """It used its whole budget, or stopped improving."""
    STOPPED = "stopped"
    """ASHA stopped it: other trials were better at the same rung."""
    COLLAPSED = "collapsed"
    """The gate stopped it: it gave nearly the same answer for every row."""
    DIVERGED = "diverged"
    """A number was not finite."""
    FAILED = "failed"
    """It raised an error, or its worker died too often."""
    CUT_SHORT = "cut short"
    """The budget of the run was over. It stays as it is, also if the run gets more."""
    INTERRUPTED = "interrupted"
    """The run was stopped. A resumed run continues it."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial ran to an end. What ended the others says nothing about their configurations."""
        return self not in (Ending.FAILED, Ending.CUT_SHORT, Ending.INTERRUPTED)

    @property
    def is_fit(self) -> bool:
        """Whether its configuration may become a finalist."""
        return self not in (Ending.COLLAPSED, Ending.DIVERGED, Ending.FAILED)
