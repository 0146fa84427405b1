"""Training that ended too early, and what really ended it."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.diagnosis.causes.cause import Cause, Remedy, Step, falling_by_factors, rising_by_factors, say, steps
from tuner.diagnosis.causes.known_settings import KnownSettings, round_up
from tuner.diagnosis.causes.optimisation import SETTLING_STEPS
from tuner.diagnosis.causes.state import has_diverged, is_weak
from tuner.diagnosis.facts.evidence import EndedBy, Evidence, TrainingFacts

_MOST_EPOCHS = 10_000  # that a space allows
_MOST_TIMES = 4  # as much time: other trials than the longest need less
_SMALLEST_BATCH = 8
_NEARLY = 0.95

ENOUGH_STEPS = 4 * SETTLING_STEPS
"""Steps that a remedy gives a training at least: after Adam's averages have settled, some are left to learn with."""

_ENDED: Mapping[EndedBy | None, str] = {
    "patience": ", when search.patience ran out",
    "rung": ", when ASHA stopped it",
    "gate": ", when the gate stopped it",
    "clock": ", when the time of the search was over",
    "interruption": ", when the run was stopped",
}


def too_short(evidence: Evidence) -> Cause | None:
    """Training ended before it got anywhere, or while the score was still rising."""
    training = evidence.training
    if training is None or training.steps == 0 or has_diverged(evidence):
        return None
    too_few_steps = (
        falling_by_factors(training.steps, SETTLING_STEPS, SETTLING_STEPS / 10) if is_weak(evidence) else 0.0
    )
    still_rising = _still_rising(training) if is_weak(evidence) else 0.0
    rise = training.late_rise
    gain = (
        "" if rise is None or still_rising < too_few_steps else f", and the score rose by {rise:.3f} in the last third"
    )
    most = "" if evidence.max_epochs is None or training.ended_by == "budget" else f" of {_count(evidence.max_epochs)}"
    counted = evidence.max_epochs if most else training.epochs
    epochs = f"{_count(training.epochs)}{most} {'epoch' if counted == 1 else 'epochs'}"
    return Cause(
        name="too_short",
        strength=max(too_few_steps, still_rising),
        sentence=f"training ended after {training.steps:,} steps ({epochs}{_ENDED.get(training.ended_by, '')}){gain}",
        measurement={"steps": training.steps, "epochs": training.epochs, "late_rise": rise},
        remedies=(*_longer(KnownSettings.of(evidence), training), say("train longer, or use smaller batches")),
    )


def _longer(known: KnownSettings, training: TrainingFacts) -> tuple[Remedy, ...]:
    """Return what gives more of what ended the training, then what takes more steps in the same time."""
    by = training.ended_by
    if by in ("clock", "interruption"):
        cut = "the time of the search cut this training off" if by == "clock" else "the run was stopped"
        more = "so give the search more time" if by == "clock" else "so let it go on"
        return Remedy(sentence=f"{cut}, {more}", searches_longer=True), say(
            f"{cut}, {more}, or make the trials shorter"
        )
    smaller = steps(*_smaller_batches(known))
    patience, grace = known.search("patience"), known.search("grace_epochs")
    if by == "patience" and patience is not None:
        return steps(Step("search.patience", 2 * patience, "wait longer for a better score")), smaller
    if by in ("rung", "gate") and grace is not None:
        longer = Step("search.grace_epochs", min(2 * grace, known.search("max_epochs")), "stop trials later")
        return steps(longer), steps(*_more_epochs(known, training)), smaller
    budget = known.search("max_epochs")
    if by is None and budget is not None and training.epochs < _NEARLY * budget:
        return (smaller,)  # something else than the budget ended it
    return steps(*_more_epochs(known, training)), smaller


def _more_epochs(known: KnownSettings, training: TrainingFacts) -> list[Step]:
    """Return twice the budget, or as many epochs as it takes to make ENOUGH_STEPS if that is more, and the time for them."""
    budget = max(known.search("max_epochs") or 0.0, training.epochs)
    for_steps = training.epochs * ENOUGH_STEPS / training.steps
    epochs = round_up(max(2 * budget, for_steps), most=_MOST_EPOCHS)
    longer, seconds = [Step("search.max_epochs", epochs, "train longer")], known.search("time")
    if seconds is None:
        return longer
    minutes = round_up(seconds * min(epochs / budget, _MOST_TIMES) / 60)
    return [*longer, Step("search.time", f"{minutes}m", "give the search the time for it")]


def _smaller_batches(known: KnownSettings) -> list[Step]:
    batch = known.ends("batch_size")
    if batch is None or batch[0] < 2 * _SMALLEST_BATCH:
        return []
    return [Step("space.batch_size", int(batch[0] // 2), "use smaller batches, so that an epoch has more steps")]


def _count(epochs: float) -> str:
    return f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}"


def _still_rising(training: TrainingFacts) -> float:
    """Grade the rise of the score in the last third. A rise by a tenth of the score is worth more training.

    The rise must be three times the noise between measurements, and the last score must be among the best.
    """
    rise, noise = training.late_rise, training.score_noise or 0.0
    if rise is None or training.best_score is None or training.score is None:
        return 0.0
    if training.score < training.best_score - noise:
        return 0.0
    best = max(training.best_score, 0.0)
    return rising_by_factors(rise, max(3 * noise, 0.02, best / 10), max(0.2, best))
