"""Causes that show in the training: gradients, gates, learning rate, budget and regularisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tuner.diagnosis.causes.cause import Cause, falling_by_factors, option, rising, rising_by_factors
from tuner.diagnosis.causes.state import gives_one_answer, has_diverged, is_weak
from tuner.diagnosis.facts.evidence import Evidence, TrainingFacts

USUAL_RATE = {"adam": 1e-3, "adamw": 1e-3, "nadam": 1e-3, "rmsprop": 1e-3, "sgd": 0.1}
"""Learning rates that papers and libraries start from. The rate of SGD assumes momentum 0.9."""

SETTLING_STEPS = 100
"""Steps until Adam's gradient averages settle: ten times the window of the first moment, which has decay 0.9."""

LOST_GRADIENT = 1e-2
"""Ratio of gradient norms, first layer to head, below which the gradient is lost on its way through the layers."""

CLIPPED = 100.0
"""Bound for the gradient norm: a hundred times what clipping usually leaves. One such step undoes a hundred others."""

HELD = 0.8
"""Factor on the strength of an explosion if gradients are clipped: steps have an ordinary size, but a poor direction."""

SATURATED = 0.6
"""Bound for the share of gates within 0.02 of 0 or 1, where their slope is at most 0.02, a twelfth of the steepest.

Saturated gates alone are no fault: up to half the gates were saturated in trials that learnt well.
"""

DEAD = 0.5
"""Bound for the share of units that do not move: half of them."""


def exploding_gradients(evidence: Evidence) -> Cause | None:
    """Gradients are so large that single steps wreck the weights, or that clipping leaves only their direction."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    most, is_clipped = training.gradient_norm_most, configuration["clipping"] != "none"
    if is_clipped and (training.gate_saturation or 0.0) >= SATURATED:
        strength = 0.0  # the saturated gates are the better explanation
    elif is_clipped:
        strength = HELD * rising_by_factors(training.gradient_norm or 0.0, CLIPPED, CLIPPED**4)
    else:
        strength = rising_by_factors(most or 0.0, CLIPPED, CLIPPED**2)
    if has_diverged(evidence):  # the size of a step depends on the gradient in plain descent, but not in Adam
        strength = max(strength, HELD if is_clipped else 1.0 if _is_plain_descent(configuration) else 0.8)
    norms = "" if most is None else f"gradient norms reached {most:.3g}"
    ended = f"a number was not finite at step {training.diverged_at_step:,}" if training.diverged_at_step else ""
    clipping = "clipping leaves only the direction of the gradients" if is_clipped else "gradients are not clipped"
    return Cause(
        name="exploding_gradients",
        strength=strength,
        sentence="; ".join(part for part in (norms, ended, clipping) if part),
        measurement={
            "gradient_norm_most": most,
            "gradient_norm": training.gradient_norm,
            "clip_rate": training.clip_rate,
            "diverged_at_step": training.diverged_at_step,
        },
        setting=option(
            "space.initialisation=xavier_orthogonal" if is_clipped else "space.clipping={norm: {threshold: 1}}"
        ),
        advice="use smaller initial weights and a lower learning rate"
        if is_clipped
        else "clip gradients by their norm",
    )


def vanishing_gradients(evidence: Evidence) -> Cause | None:
    """Almost no gradient reaches the first recurrent layer."""
    training = evidence.training
    if training is None or training.gradient_ratio is None or not is_weak(evidence):
        return None
    return Cause(
        name="vanishing_gradients",
        strength=falling_by_factors(training.gradient_ratio, LOST_GRADIENT, LOST_GRADIENT**2),
        sentence=(
            f"the gradient norm of the first recurrent layer is {training.gradient_ratio:.2g} times the norm of the head, so the "
            "input hardly changes the answer"
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
        advice="use fewer layers, larger initial weights, or a pooling with a short path to every step",
    )


def saturated_gates(evidence: Evidence) -> Cause | None:
    """Gates sit at 0 or 1, where their slope is too small to learn from."""
    training = evidence.training
    if training is None or training.gate_saturation is None or not is_weak(evidence):
        return None
    return Cause(
        name="saturated_gates",
        strength=rising(training.gate_saturation, SATURATED, 0.9),
        sentence=(
            f"{training.gate_saturation:.0%} of the gates are within 0.02 of 0 or 1, "
            "where their slope is too small to learn from"
        ),
        measurement={"gate_saturation": training.gate_saturation},
        setting=option(*_smaller_inputs(evidence.configuration)),
        advice="use smaller initial weights, smaller vectors and a lower learning rate",
    )


def dead_units(evidence: Evidence) -> Cause | None:
    """Units of the last layer have the same output for any input."""
    training = evidence.training
    if training is None or training.dead_units is None or not is_weak(evidence):
        return None
    return Cause(
        name="dead_units",
        strength=rising(training.dead_units, DEAD, 1.0),
        sentence=f"{training.dead_units:.0%} of the units in the last layer hardly change from step to step or row to row",
        measurement={"dead_units": training.dead_units},
        setting=option("space.initialisation=xavier_orthogonal", *_smaller_inputs(evidence.configuration)),
        advice="use other initial weights, or a learning rate at which the units move",
    )


def learning_rate_too_high(evidence: Evidence) -> Cause | None:
    """Each step changes the weights by about their own size."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    signs = _signs_of_overshooting(evidence, training)
    ratio = _step(configuration) / _weight_scale(configuration)
    if not signs:
        return None
    rate = configuration["learning_rate"]
    return Cause(
        name="learning_rate_too_high",
        strength=rising_by_factors(ratio, 0.2, 2.0),
        sentence=f"with learning rate {rate:g}, a step moves a weight by {ratio:.2g} times its initial size; {', '.join(signs)}",
        measurement={"learning_rate": rate, "step_over_weight": ratio, "signs": signs},
        setting=option(f"space.learning_rate={_lower_rates(configuration)}"),
        advice="lower the learning rate, by a factor of ten to begin with, and clip gradients",
    )


def learning_rate_too_low(evidence: Evidence) -> Cause | None:
    """All steps together cannot move a weight by its own size, and more steps would not help."""
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
            f"with learning rate {rate:g}, all {training.steps:,} steps together move a weight by at most {reach:.2g} times "
            "its initial size"
        ),
        measurement={"learning_rate": rate, "steps": training.steps, "reach": reach},
        setting=option(f"space.learning_rate={{low: {usual / 2:g}, high: {usual * 10:g}, scale: log}}"),
        advice="raise the learning rate",
    )


def too_short(evidence: Evidence) -> Cause | None:
    """Training ended before it got anywhere, or while the score was still rising."""
    training = evidence.training
    if training is None or training.steps == 0 or has_diverged(evidence):
        return None
    too_few_steps = (
        falling_by_factors(training.steps, SETTLING_STEPS, SETTLING_STEPS / 10) if is_weak(evidence) else 0.0
    )
    still_rising = _still_rising(training) if is_weak(evidence) else 0.0
    epochs = max(4 * training.epochs, 2.0)
    rise = training.late_rise
    gain = (
        "" if rise is None or still_rising < too_few_steps else f", and the score rose by {rise:.3f} in the last third"
    )
    return Cause(
        name="too_short",
        strength=max(too_few_steps, still_rising),
        sentence=f"training ended after {training.steps:,} steps ({training.epochs:.2g} epochs){gain}",
        measurement={"steps": training.steps, "epochs": training.epochs, "late_rise": rise},
        setting=option(f"search.max_epochs={epochs:.3g}"),
        advice="train longer, or use smaller batches: an epoch then has more steps",
    )


def too_much_regularisation(evidence: Evidence) -> Cause | None:
    """Dropout, weight decay or an L1 penalty removes what the model learns."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    candidates = [_dropout(configuration), _decay(training, configuration), _l1(training, configuration)]
    worst = max(candidates, key=lambda candidate: candidate.strength)
    return Cause(
        name="too_much_regularisation",
        strength=worst.strength,
        sentence=worst.sentence,
        measurement={**worst.measurement, "train_score": training.train_score, "score": training.score},
        setting=option(*worst.settings),
        advice="regularise less: the score on training rows is low too, so the model does not overfit",
    )


class _Regulariser(NamedTuple):
    """How much of the signal one kind of regularisation removes."""

    strength: float
    sentence: str
    measurement: Mapping[str, Any]
    settings: tuple[str, ...]


def _dropout(configuration: Mapping[str, Any]) -> _Regulariser:
    """Grade dropout. A total share p adds noise with p / (1 - p) times the power of the signal: nine times at 0.9."""
    shares = {
        name: float(configuration.get(name, 0.0))
        for name in ("token_dropout", "embedding_dropout", "weight_dropout", "layer_dropout", "dropout")
    }
    kept = math.prod(1 - share for share in shares.values())
    given = {name: share for name, share in shares.items() if share}
    listed = ", ".join(f"{name} {share:g}" for name, share in given.items())
    settings = tuple(f"space.{name}={{low: 0, high: 0.5}}" for name, share in given.items() if share > 0.5)
    return _Regulariser(
        falling_by_factors(kept, 0.1, 0.02),
        f"dropout leaves {kept:.1%} of the signal ({listed})",
        {"kept_share": kept, **given},
        settings or ("space.dropout={low: 0, high: 0.5}",),
    )


def _decay(training: TrainingFacts, configuration: Mapping[str, Any]) -> _Regulariser:
    """Compare weight decay with the pull of the loss.

    Decoupled decay (adamw) shrinks each weight by rate x decay per step. Other optimisers add decay to the gradient. It
    pulls a weight of initial size by decay x size; the loss pulls by the gradient's root mean square.
    """
    optimiser = configuration["optimiser"]
    decay = float(configuration.get(f"optimiser.{optimiser}.weight_decay", 0.0))
    rate, setting = float(configuration["learning_rate"]), f"space.optimiser={{{optimiser}: {{weight_decay: 1e-4}}}}"
    if optimiser == "adamw":
        shrinks = rate * decay
        sentence = (
            f"weight decay {decay:g} with learning rate {rate:g} removes {shrinks:.2%} of each weight at every step"
        )
        measurement = {"weight_decay": decay, "shrinks": shrinks}
        return _Regulariser(rising_by_factors(shrinks, 0.01, 0.1), sentence, measurement, (setting,))
    pull = decay * _weight_scale(configuration) / _gradient_of_a_weight(training)
    sentence = f"weight decay {decay:g} pulls a weight {pull:.3g} times as hard as the loss does"
    measurement = {"weight_decay": decay, "pull": pull}
    return _Regulariser(rising_by_factors(pull, 10.0, 100.0), sentence, measurement, (setting,))


def _l1(training: TrainingFacts, configuration: Mapping[str, Any]) -> _Regulariser:
    """Grade the penalty's share of the gradient. Its slope is the same for every weight; `gradient_norm` includes it."""
    l1 = float(configuration["l1"])
    share = min(l1 / _gradient_of_a_weight(training), 1.0)
    sentence = f"the L1 penalty of {l1:g} makes up {share:.0%} of the gradient"
    return _Regulariser(rising(share, 0.5, 1.0), sentence, {"l1": l1, "share_of_gradient": share}, ("space.l1=0",))


def _gradient_of_a_weight(training: TrainingFacts) -> float:
    """Return the root mean square of the gradient's entries, including the zeros of tokens that a batch lacks."""
    norm = training.gradient_norm or math.inf
    return norm / math.sqrt(training.parameters or 1)


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


def _signs_of_overshooting(evidence: Evidence, training: TrainingFacts) -> list[str]:
    signs = []
    if has_diverged(evidence):
        signs.append("a number was not finite")
    if training.first_loss and training.last_loss is not None and training.last_loss > 0.95 * training.first_loss:
        signs.append(f"the training loss did not fall ({training.first_loss:.3g} to {training.last_loss:.3g})")
    if training.least_loss and training.last_loss is not None and training.last_loss > 1.2 * training.least_loss:
        signs.append(f"the training loss rose again ({training.least_loss:.3g} to {training.last_loss:.3g})")
    if training.loss_spread is not None and training.loss_spread >= 0.5:
        signs.append(f"the loss varies between steps by {training.loss_spread:.2g} of its mean")
    if (training.gate_saturation or 0.0) >= SATURATED:
        signs.append(f"{training.gate_saturation:.0%} of the gates are saturated")
    if gives_one_answer(evidence):
        signs.append("the outputs have collapsed")
    return signs


def _is_plain_descent(configuration: Mapping[str, Any]) -> bool:
    return bool(configuration["optimiser"] == "sgd")


def _effective_rate(configuration: Mapping[str, Any]) -> float:
    """Return the learning rate; for SGD, the rate with the same effect at momentum 0.9."""
    rate = float(configuration["learning_rate"])
    return rate * 0.1 / (1 - _momentum(configuration)) if _is_plain_descent(configuration) else rate


def _momentum(configuration: Mapping[str, Any]) -> float:
    return float(configuration.get(f"optimiser.{configuration['optimiser']}.momentum", 0.0))


def _weight_scale(configuration: Mapping[str, Any]) -> float:
    """Return the initial size of a recurrent weight: PyTorch draws weights up to 1 / sqrt(hidden units)."""
    return 1 / math.sqrt(float(configuration["hidden"]))


def _step(configuration: Mapping[str, Any]) -> float:
    """Return how far one step moves a weight: the learning rate for Adam, or an equivalent rate for other optimisers."""
    usual = _usual_rate(configuration)
    return _effective_rate(configuration) * USUAL_RATE["adam"] / usual


def _reach(training: TrainingFacts, configuration: Mapping[str, Any]) -> float:
    """Return how far a weight can move, in units of its initial size, if every step goes in one direction."""
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
    """Return the usual learning rate of the optimiser; Adam's if the table does not have it."""
    return USUAL_RATE.get(configuration["optimiser"], USUAL_RATE["adam"])
