"""How many trials a picture shows, and why others are not in it. Every picture counts the trials of the whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tuner.analysis.trials import TrialFacts

THINNED = "evenly, to keep the picture readable"
"""Why trials are left out if there are too many to draw."""


def count_shown(
    shown: Sequence[TrialFacts],
    trials: Sequence[TrialFacts],
    why: Callable[[TrialFacts], str],
    *,
    verb: str = "Showing",
) -> str:
    """Return "Showing 2 of 6 trials; left out: 3 without a score, 1 from finalists."

    `why` says for a trial of `trials` that is not in `shown` why it is left out, without a number.
    """
    kept = {trial.number for trial in shown}
    reasons = Counter(why(trial) for trial in trials if trial.number not in kept)
    if not reasons:
        return f"{verb} all {len(trials):,} trials." if len(trials) > 1 else f"{verb} the only trial."
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    return f"{verb} {len(kept):,} of {len(trials):,} trials; left out: {left_out}."


def why_unscored(trial: TrialFacts) -> str:
    """Say why a picture of the scores of the search leaves a trial out, if it is not for want of room."""
    if trial.phase != "search":
        return "from finalists"
    return "without a score" if trial.score is None else THINNED
