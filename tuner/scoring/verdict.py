"""The verdict of the test split on the champion, and the reason in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tuner.scoring.bootstrap import Interval, Intervals
from tuner.scoring.signal import Signal

Verdict = Literal["beats_baselines", "no_better_than_baseline", "no_better_than_constant"]
Requirement = Literal["better_than_constant", "beats_baselines"]
_MEETING: Mapping[Requirement, tuple[Verdict, ...]] = {
    "better_than_constant": ("no_better_than_baseline", "beats_baselines"),
    "beats_baselines": ("beats_baselines",),
}
_NAMED_AT_MOST = 3


def reach_verdict(measured: Intervals, differences: Mapping[str, Interval]) -> Verdict:
    """Judge a champion by the intervals of its measures and of its lead over each named baseline.

    A lead counts if its whole interval lies above 0: first over the best constant rule and chance, then over every baseline.
    """
    if not (measured.skill.low > 0 and measured.above_chance.low > 0):
        return "no_better_than_constant"
    if all(difference.low > 0 for difference in differences.values()):
        return "beats_baselines"
    return "no_better_than_baseline"


def meets(verdict: str, requirement: Requirement) -> bool:
    """Return whether a verdict meets the requirement. An unknown verdict does not."""
    return verdict in _MEETING[requirement]


def explain(
    measured: Intervals,
    differences: Mapping[str, Interval],
    *,
    constant: str,
    best_model: str | None,
    signal: Signal,
    too_few: str | None = None,
) -> str:
    """Explain, with figures, the result of `reach_verdict` for the same arguments.

    `constant` says what the best constant rule answers, such as "every label on every row". `best_model` names the baseline that
    learns from the inputs, a key of `differences`. `signal` says whether any model of the search predicts the labels. `too_few`
    says which labels have too few rows to be judged, if any.
    """
    result = reach_verdict(measured, differences)
    champion = f"on test the champion has macro-F1 {measured.macro_f1.value:.3f}"
    if result == "no_better_than_constant":
        return _explain_constant(measured, differences, champion, constant, best_model, signal, too_few)
    if result == "beats_baselines":
        nearest = min(differences, key=lambda name: differences[name].value, default=None)
        if nearest is None:
            return f"{champion}, {_by(measured.skill)} above answering {constant}"
        return f"{champion}, {_by(differences[nearest])} above the best baseline, {nearest}"
    unbeaten = [name for name, difference in differences.items() if not difference.low > 0]
    unbeaten.sort(key=lambda name: differences[name].value)
    behind = [name for name in unbeaten if differences[name].high < 0]
    leads = "; ".join(f"{name} by {_by(differences[name])}" for name in unbeaten[:_NAMED_AT_MOST])
    conclusion = (
        f"{behind[0]} is better"
        if behind
        else "these rows do not show which of them is better, because the interval contains 0"
    )
    return f"{champion}, above any constant answer, but it is not clearly ahead of every baseline: {leads}. So {conclusion}"


def _explain_constant(
    measured: Intervals,
    differences: Mapping[str, Interval],
    champion: str,
    constant: str,
    best_model: str | None,
    signal: Signal,
    too_few: str | None,
) -> str:
    if not measured.skill.low > 0:
        lead, reference = measured.skill, f"answering {constant} has"
    else:
        lead, reference = measured.above_chance, "the same answers given to random rows have"
    ours = measured.macro_f1.value
    reason = f"{champion}, and {reference} {ours - lead.value:.3f}: a difference of {_by(lead)}"
    if best_model is not None:
        reason += f". {best_model} has {ours - differences[best_model].value:.3f}"
    if too_few is not None and lead.high > 0:
        reason += f". So these rows do not show which is better: {too_few}"
    return f"{reason}. {signal.message[0].upper()}{signal.message[1:]}"


def _by(interval: Interval) -> str:
    return f"{interval.value:+.3f} (95 %: {interval.low:+.3f} to {interval.high:+.3f})"
