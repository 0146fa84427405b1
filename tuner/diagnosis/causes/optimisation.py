"""Causes that show in how a training went: gradients, gates, learning rate, budget, regularisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.diagnosis.causes.cause import Cause, falling_by_factors, option, rising, rising_by_factors
from tuner.diagnosis.causes.state import gives_one_answer, has_diverged, is_weak
from tuner.diagnosis.facts.evidence import Evidence, TrainingFacts

USUAL_RATE = {"adam": 1e-3, "adamw": 1e-3, "nadam": 1e-3, "rmsprop": 1e-3, "sgd": 0.1}
"""Learning rates that papers and libraries begin with; SGD's is for momentum 0.9."""

SETTLING_STEPS = 100
"""Steps in which Adam's averages of the gradients settle: ten times what the first moment's decay of 0.9 looks back on."""

LOST_GRADIENT = 1e-2
"""Norm of the first layer's gradient over the head's, below which what comes back through the layers is lost."""

CLIPPED = 100.0
"""A gradient's norm that is a hundred times what clipping usually leaves: one step undoes a hundred."""

HELD = 0.8
"""The share of its strength that an explosion has where clipping holds it: steps keep their size, but lose their aim."""

SATURATED = 0.6
"""Share of gates within 0.02 of 0 or 1, where their slope is at most 0.02, a twelfth of the steepest.

Gates that stand firm are no fault by themselves: trials that learnt well were seen to have up to a half of them there.
"""

DEAD = 0.5
"""Share of units that do not move: every other one."""


def exploding_gradients(evidence: Evidence) -> Cause | None:
    """Gradients are so large that single steps wreck the weights, or that clipping leaves nothing but their direction."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    most, is_clipped = training.gradient_norm_most, configuration["clipping"] != "none"
    if is_clipped and (training.gate_saturation or 0.0) >= SATURATED:
        strength = 0.0  # what clipping lets through has come to the gates, which tell more
    elif is_clipped:
        strength = HELD * rising_by_factors(training.gradient_norm or 0.0, CLIPPED, CLIPPED**4)
    else:
        strength = rising_by_factors(most or 0.0, CLIPPED, CLIPPED**2)
    if has_diverged(evidence):  # Adam's steps are the same for gradients of any size, plain descent's are not
        strength = max(strength, HELD if is_clipped else 1.0 if _is_plain_descent(configuration) else 0.8)
    ended = f"at step {training.diverged_at_step:,} a number was not finite" if training.diverged_at_step else ""
    norms = "" if most is None else f"norms of gradients went up to {most:.3g}"
    held = "clipping keeps only their direction" if is_clipped else "nothing clips them"
    return Cause(
        name="exploding_gradients",
        strength=strength,
        sentence="; ".join(part for part in (norms, ended, held) if part),
        measurement={
            "gradient_norm_most": most,
            "gradient_norm": training.gradient_norm,
            "clip_rate": training.clip_rate,
            "diverged_at_step": training.diverged_at_step,
        },
        setting=option(
            "space.initialisation=xavier_orthogonal" if is_clipped else "space.clipping={norm: {threshold: 1}}"
        ),
        advice="smaller first weights and a lower learning rate" if is_clipped else "clip the gradient by its norm",
    )


def vanishing_gradients(evidence: Evidence) -> Cause | None:
    """Next to nothing of the gradient comes back to the first recurrent layer."""
    training = evidence.training
    if training is None or training.gradient_ratio is None or not is_weak(evidence):
        return None
    return Cause(
        name="vanishing_gradients",
        strength=falling_by_factors(training.gradient_ratio, LOST_GRADIENT, LOST_GRADIENT**2),
        sentence=(
            f"the first recurrent layer's gradient is {training.gradient_ratio:.2g} of the head's, in norm: what is read "
            "hardly changes what is answered"
        ),
        measurement={
            "gradient_ratio": training.gradient_ratio,
            "gradient_norm": training.gradient_norm,
            "tiny_gradient_share": training.tiny_gradient_share,
        },
        setting=option(
            "space.layers=1",
            "space.initialisation=xavier_orthogonal",
            "space.pooling=[max, mean]",
            "space.layer_norm=true",
        ),
        advice="fewer layers, larger first weights, a pooling that every step has a short way to",
    )


def saturated_gates(evidence: Evidence) -> Cause | None:
    """Gates stand at 0 or 1, where they have no slope to learn by."""
    training = evidence.training
    if training is None or training.gate_saturation is None or not is_weak(evidence):
        return None
    return Cause(
        name="saturated_gates",
        strength=rising(training.gate_saturation, SATURATED, 0.9),
        sentence=f"{training.gate_saturation:.0%} of the gates stand within 0.02 of 0 or 1, where they have no slope to learn by",
        measurement={"gate_saturation": training.gate_saturation},
        setting=option(*_smaller_inputs(evidence.configuration)),
        advice="smaller first weights, vectors and learning rate",
    )


def dead_units(evidence: Evidence) -> Cause | None:
    """Units of the last layer say the same whatever is read."""
    training = evidence.training
    if training is None or training.dead_units is None or not is_weak(evidence):
        return None
    return Cause(
        name="dead_units",
        strength=rising(training.dead_units, DEAD, 1.0),
        sentence=f"{training.dead_units:.0%} of the last layer's units hardly change from step to step or row to row",
        measurement={"dead_units": training.dead_units},
        setting=option("space.initialisation=xavier_orthogonal", *_smaller_inputs(evidence.configuration)),
        advice="other first weights, or a learning rate that lets the units move",
    )


def learning_rate_too_high(evidence: Evidence) -> Cause | None:
    """A step changes the weights by as much as they are."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    signs = _signs_of_overshooting(evidence, training)
    times = _step(configuration) / _weight_scale(configuration)
    if not signs:
        return None
    rate = configuration["learning_rate"]
    return Cause(
        name="learning_rate_too_high",
        strength=rising_by_factors(times, 0.2, 2.0),
        sentence=f"at a learning rate of {rate:g} a step moves a weight by {times:.2g} times its first size; {', '.join(signs)}",
        measurement={"learning_rate": rate, "step_over_weight": times, "signs": signs},
        setting=option(f"space.learning_rate={_lower_rates(configuration)}"),
        advice="a lower learning rate, ten times at first, and clipping",
    )


def learning_rate_too_low(evidence: Evidence) -> Cause | None:
    """All steps together cannot move a weight by its own size, and more steps are not what is missing."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not training.steps or not is_weak(evidence):
        return None
    reach = _reach(training, configuration)
    usual = _usual_rate(configuration)
    lack = usual / _effective_rate(configuration)
    if lack <= 1 or lack < SETTLING_STEPS / training.steps:
        return None
    rate = configuration["learning_rate"]
    return Cause(
        name="learning_rate_too_low",
        strength=falling_by_factors(reach, 1.0, 0.1),
        sentence=(
            f"at a learning rate of {rate:g} all {training.steps:,} steps together move a weight by at most {reach:.2g} times "
            "its first size"
        ),
        measurement={"learning_rate": rate, "steps": training.steps, "reach": reach},
        setting=option(f"space.learning_rate={{low: {usual / 2:g}, high: {usual * 10:g}, scale: log}}"),
        advice="a higher learning rate",
    )


def too_short(evidence: Evidence) -> Cause | None:
    """Training ended before it had got anywhere, or while the score was still rising."""
    training = evidence.training
    if training is None or training.steps == 0 or has_diverged(evidence):
        return None
    never_begun = falling_by_factors(training.steps, SETTLING_STEPS, SETTLING_STEPS / 10) if is_weak(evidence) else 0.0
    still_rising = _still_rising(training) if is_weak(evidence) else 0.0
    epochs = max(4 * training.epochs, 2.0)
    rise = training.late_rise
    told = "" if rise is None or still_rising < never_begun else f", and its score rose by {rise:.3f} in its last third"
    return Cause(
        name="too_short",
        strength=max(never_begun, still_rising),
        sentence=f"training ended after {training.steps:,} steps, {training.epochs:.2g} epochs{told}",
        measurement={"steps": training.steps, "epochs": training.epochs, "late_rise": rise},
        setting=option(f"search.max_epochs={epochs:.3g}"),
        advice="train longer, or in smaller batches, which take more steps in an epoch",
    )


def too_much_regularisation(evidence: Evidence) -> Cause | None:
    """Dropout, decay or a penalty takes away what is learnt."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    found = [_dropout(configuration), _decay(training, configuration), _l1(training, configuration)]
    strength, what, measured, settings = max(found, key=lambda each: each[0])
    return Cause(
        name="too_much_regularisation",
        strength=strength,
        sentence=what,
        measurement={**measured, "train_score": training.train_score, "score": training.score},
        setting=option(*settings),
        advice="less of it; the score on training rows is low too, so there is nothing to hold back",
    )


_Found = tuple[float, str, Mapping[str, Any], tuple[str, ...]]


def _dropout(configuration: Mapping[str, Any]) -> _Found:
    """Dropout of a share p adds noise of p / (1 - p) times the signal's own square: at 0.9 in all, nine times."""
    shares = {
        name: float(configuration.get(name, 0.0))
        for name in ("token_dropout", "embedding_dropout", "weight_dropout", "layer_dropout", "dropout")
    }
    kept = math.prod(1 - share for share in shares.values())
    given = {name: share for name, share in shares.items() if share}
    told = ", ".join(f"{name} {share:g}" for name, share in given.items())
    settings = tuple(f"space.{name}={{low: 0, high: 0.5}}" for name, share in given.items() if share > 0.5)
    return (
        falling_by_factors(kept, 0.1, 0.02),
        f"dropout leaves {kept:.1%} of the signal ({told})",
        {"kept_share": kept, **given},
        settings or ("space.dropout={low: 0, high: 0.5}",),
    )


def _decay(training: TrainingFacts, configuration: Mapping[str, Any]) -> _Found:
    """Decay against what training adds.

    Decoupled (adamw) it shrinks each weight by rate x decay a step. In the gradient it pulls at a weight of the first size
    with decay x size, where the loss pulls with the gradient's root mean square.
    """
    optimiser = configuration["optimiser"]
    decay = float(configuration.get(f"optimiser.{optimiser}.weight_decay", 0.0))
    rate, setting = float(configuration["learning_rate"]), f"space.optimiser={{{optimiser}: {{weight_decay: 1e-4}}}}"
    if optimiser == "adamw":
        shrinks = rate * decay
        told = f"weight decay {decay:g} at a learning rate of {rate:g} takes {shrinks:.2%} of each weight at every step"
        return rising_by_factors(shrinks, 0.01, 0.1), told, {"weight_decay": decay, "shrinks": shrinks}, (setting,)
    pull = decay * _weight_scale(configuration) / _gradient_of_a_weight(training)
    told = f"weight decay {decay:g} pulls at a weight {pull:.3g} times as hard as the loss does"
    return rising_by_factors(pull, 10.0, 100.0), told, {"weight_decay": decay, "pull": pull}, (setting,)


def _l1(training: TrainingFacts, configuration: Mapping[str, Any]) -> _Found:
    """The penalty's slope is the same for every weight; `gradient_norm` has it in it."""
    l1 = float(configuration["l1"])
    share = min(l1 / _gradient_of_a_weight(training), 1.0)
    told = f"the penalty l1 {l1:g} makes up {share:.0%} of the gradient"
    return rising(share, 0.5, 1.0), told, {"l1": l1, "share_of_gradient": share}, ("space.l1=0",)


def _gradient_of_a_weight(training: TrainingFacts) -> float:
    """The root mean square of a gradient's entries; those of tokens that a batch has not are 0 and count too."""
    norm = training.gradient_norm or math.inf
    return norm / math.sqrt(training.parameters or 1)


def _still_rising(training: TrainingFacts) -> float:
    """Grade the rise of the score in the last third: a tenth of the score is worth going on for.

    It is to be three times what the score moves by from report to report anyway, and the last report among the best.
    """
    rise, noise = training.late_rise, training.score_noise or 0.0
    if rise is None or training.best_score is None or training.score is None:
        return 0.0
    if training.score < training.best_score - noise:
        return 0.0
    best = max(training.best_score, 0.0)
    return rising_by_factors(rise, max(3 * noise, 0.02, best / 10), max(0.2, best))


def _signs_of_overshooting(evidence: Evidence, training: TrainingFacts) -> list[str]:
    signs = []
    if has_diverged(evidence):
        signs.append("a number was not finite")
    if training.first_loss and training.last_loss is not None and training.last_loss > 0.95 * training.first_loss:
        signs.append(f"the training loss did not fall ({training.first_loss:.3g} to {training.last_loss:.3g})")
    if training.least_loss and training.last_loss is not None and training.last_loss > 1.2 * training.least_loss:
        signs.append(f"the training loss rose again ({training.least_loss:.3g} to {training.last_loss:.3g})")
    if training.loss_spread is not None and training.loss_spread >= 0.5:
        signs.append(f"the losses of steps spread by {training.loss_spread:.2g} of their mean")
    if (training.gate_saturation or 0.0) >= SATURATED:
        signs.append(f"{training.gate_saturation:.0%} of the gates are saturated")
    if gives_one_answer(evidence):
        signs.append("the outputs have collapsed")
    return signs


def _is_plain_descent(configuration: Mapping[str, Any]) -> bool:
    return bool(configuration["optimiser"] == "sgd")


def _effective_rate(configuration: Mapping[str, Any]) -> float:
    """The learning rate, for SGD as if its momentum were 0.9."""
    rate = float(configuration["learning_rate"])
    return rate * 0.1 / (1 - _momentum(configuration)) if _is_plain_descent(configuration) else rate


def _momentum(configuration: Mapping[str, Any]) -> float:
    return float(configuration.get(f"optimiser.{configuration['optimiser']}.momentum", 0.0))


def _weight_scale(configuration: Mapping[str, Any]) -> float:
    """The size of a recurrent weight at first: PyTorch draws them within one over the root of the hidden units."""
    return 1 / math.sqrt(float(configuration["hidden"]))


def _step(configuration: Mapping[str, Any]) -> float:
    """How far one step moves a weight: by the rate in Adam's family; for SGD as if a usual rate did as Adam's does."""
    usual = _usual_rate(configuration)
    return _effective_rate(configuration) * USUAL_RATE["adam"] / usual


def _reach(training: TrainingFacts, configuration: Mapping[str, Any]) -> float:
    """How often its own first size a weight can move in all, were every step in one direction."""
    return _step(configuration) * training.steps / _weight_scale(configuration)


def _lower_rates(configuration: Mapping[str, Any]) -> str:
    usual = _usual_rate(configuration)
    return f"{{low: {usual / 10:g}, high: {usual * 5:g}, scale: log}}"


def _smaller_inputs(configuration: Mapping[str, Any] | None) -> tuple[str, ...]:
    rates = "space.learning_rate={low: 1e-4, high: 5e-3, scale: log}"
    if configuration is not None and configuration.get("embedding") == "random":
        size = int(configuration["embedding.random.size"])
        return rates, f"space.embedding={{random: {{size: {size}, scale: 0.1}}}}"
    return (rates,)


def _usual_rate(configuration: Mapping[str, Any]) -> float:
    """Return the learning rate that people begin with; an optimiser that is not in the table takes Adam's."""
    return USUAL_RATE.get(configuration["optimiser"], USUAL_RATE["adam"])
