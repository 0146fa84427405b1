"""Settings that act against imbalance: which of them are in force, and how to strengthen or weaken them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tuner.diagnosis.causes.cause import Remedy, Step, say, steps
from tuner.diagnosis.causes.known_settings import KnownSettings

_NEUTRAL: Mapping[str, tuple[str | float, str]] = {
    "loss_weights": ("none", "drop the loss weights"),
    "resampling": ("none", "drop the resampling"),
    "logit_adjustment": (0, "drop the adjustment of the logits"),
}


def corrections(known: KnownSettings) -> list[str]:
    """Return the parameters by which a model's training acts against imbalance; none if they are not known."""
    if not known.configuration:
        return []
    return [name for name, (neutral, _) in _NEUTRAL.items() if known.value(name) != neutral]


def uncorrect(known: KnownSettings) -> tuple[Remedy, ...]:
    """Return how to do without the corrections in force."""
    off = [Step(f"space.{name}", *_NEUTRAL[name]) for name in corrections(known)]
    return steps(*off), say(f"weaken what pushes the outputs to one side: {', '.join(map(_plain, corrections(known)))}")


def correct_more(known: KnownSettings) -> tuple[Remedy, ...]:
    """Return how to give rare labels more weight: by a correction in force if there is one, because two correct twice.

    Fitted thresholds undo most of what loss weights do, so these come first only in multi-class, which has no thresholds.
    """
    if not known.configuration:
        return (
            say("give rare labels more weight if nothing does so yet: by loss weights or by resampling, not by both"),
        )
    in_force = corrections(known)
    weights = Step("space.loss_weights", ["balanced", "root"], "give rare labels more weight in the loss")
    rows = Step("space.resampling", ["balanced_batches", "oversample"], "repeat the rows of rare labels")
    shift = Step("space.logit_adjustment", {"low": 0.5, "high": 1.5}, "shift the logits by the frequency of the labels")
    if in_force:  # the strongest form of those in force, which never goes back from what is there
        candidates = [
            replace(step, value=step.value[0])
            for step in (weights, rows)
            if step.key.removeprefix("space.") in in_force
        ]
    else:
        candidates = [weights, rows, shift] if known.task == "multiclass" else [rows, weights, shift]
    return *(steps(step) for step in candidates), say("collect more rows of the rare labels")


def _plain(name: str) -> str:
    return name.replace("_", " ")
