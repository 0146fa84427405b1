"""The distilled model of a run, in one sentence."""

from __future__ import annotations

from tuner.ledger.distilled import DISTILLED
from tuner.ledger.run_directory import Run
from tuner.storage import join


def describe_distilled(run: Run) -> str | None:
    """Say what the distilled model reaches beside the champion, and where it is; None if the run has none.

    A run that was given more may have another champion by now, which is then said.
    """
    distilled = run.distilled
    if not distilled:
        return None
    is_earlier = distilled["teacher"]["macro_f1"] != run.champion.get("test", {}).get("macro_f1")
    of = "made from an earlier champion of this run: " if is_earlier else ""
    return f"{of}{distilled['sentence']}; {join(run.location, DISTILLED)}"
