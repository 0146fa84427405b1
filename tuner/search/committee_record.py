"""What champion.json says about the committee: its members, and the alternatives side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tuner.data.dataset import Dataset
from tuner.scoring.bootstrap import intervals
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.committee_choice import Alternative, CommitteeChoice, CommitteeChooser
from tuner.search.committee_members import Answers


def describe_committee(
    choice: CommitteeChoice, chooser: CommitteeChooser, answers: Answers, dataset: Dataset, *, seed: int
) -> dict[str, Any]:
    """Describe what was chosen and why, what each member adds on validation, and every alternative on validation and test.

    `answers` are those for the test rows. Nothing may be chosen by what the alternatives reach there.
    """
    chosen = choice.chosen
    return {
        "asked": choice.asked,
        "kind": chosen.kind,
        "reason": choice.reason,
        "members": [
            {
                "trial": member.trial,
                "baseline": member.baseline,
                "weight": member.weight,
                "score": chooser.score(member),
                "adds": chooser.gain(chosen, member),
            }
            for member in chosen.members
        ],
        "alternatives": [
            {
                "kind": alternative.kind,
                "models": len(alternative.members),
                "validation": {name: alternative.measures[name] for name in ("score", "macro_f1")},
                "test": _test(alternative, answers, dataset, seed=seed),
                "ahead": asdict(alternative.ahead),
                "seconds_per_1000_rows": answers.seconds_per_1000_rows(alternative.members),
            }
            for alternative in choice.alternatives.values()
        ],
    }


def _test(alternative: Alternative, answers: Answers, dataset: Dataset, *, seed: int) -> dict[str, Any]:
    """Return an alternative's macro-F1 on test, with thresholds from its validation probabilities."""
    thresholds = fit_thresholds(alternative.probabilities, dataset.truth("validation"), dataset.task, seen=dataset.seen)
    decisions = decide(answers.mean(alternative.members), thresholds, dataset.task)
    drawn = intervals(
        decisions, dataset.truth("test"), dataset.task, blocks=dataset.test.blocks, seed=seed, seen=dataset.seen
    ).macro_f1
    return {"macro_f1": drawn.value, "macro_f1_ci": [drawn.low, drawn.high]}
