"""Causes that show in the training: gradients, gates and learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.diagnosis.causes.cause import Cause, Remedy, Step, falling_by_factors, rising, rising_by_factors, say, steps
from tuner.diagnosis.causes.known_settings import KnownSettings
from tuner.diagnosis.causes.state import gives_one_answer, has_diverged, is_weak
from tuner.diagnosis.facts.evidence import Evidence, TrainingFacts
from tuner.show_value import show_share

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
    clipped = "" if training.clip_rate is None else f" in {show_share(training.clip_rate)} of the steps"
    clipping = f"gradients are clipped{clipped}" if is_clipped else "gradients are not clipped"
    known = KnownSettings.of(evidence)
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
        remedies=(
            steps(*([] if is_clipped else [_CLIP]), _ORTHOGONAL, *_lower_rate(known)),
            steps(_NORMALISED),
            say("look for rows with extreme values: the gradients explode with clipping and small initial weights too"),
        ),
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
        remedies=(
            easier_to_train(KnownSettings.of(evidence)),
            steps(Step("space.cell", "gru", "try GRU cells")),
            say("shorten the path from the inputs to the head: fewer layers, shorter rows, or pooling over all steps"),
        ),
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
            f"{show_share(training.gate_saturation)} of the gates are within 0.02 of 0 or 1, "
            "where their slope is too small to learn from"
        ),
        measurement={"gate_saturation": training.gate_saturation},
        remedies=_smaller_inputs(KnownSettings.of(evidence)),
    )


def dead_units(evidence: Evidence) -> Cause | None:
    """Units of the last layer have the same output for any input."""
    training = evidence.training
    if training is None or training.dead_units is None or not is_weak(evidence):
        return None
    return Cause(
        name="dead_units",
        strength=rising(training.dead_units, DEAD, 1.0),
        sentence=(
            f"{show_share(training.dead_units)} of the units in the last layer hardly change from step to step or row to row"
        ),
        measurement={"dead_units": training.dead_units},
        remedies=_smaller_inputs(KnownSettings.of(evidence)),
    )


def learning_rate_too_high(evidence: Evidence) -> Cause | None:
    """Each step changes the weights by about their own size."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    signs = _signs_of_overshooting(evidence, training)
    ratio = _step(configuration) / weight_scale(configuration)
    if not signs:
        return None
    rate, usual, known = configuration["learning_rate"], _usual_rate(configuration), KnownSettings.of(evidence)
    return Cause(
        name="learning_rate_too_high",
        strength=rising_by_factors(ratio, 0.2, 2.0),
        sentence=f"with learning rate {rate:g}, a step moves a weight by {ratio:.2g} times its initial size; {', '.join(signs)}",
        measurement={"learning_rate": rate, "step_over_weight": ratio, "signs": signs},
        remedies=(
            steps(_lower_rates(usual, float(rate)), *_clip_if_not(known)),
            steps(Step("space.schedule", ["warm_up", "one_cycle"], "let the learning rate rise slowly from zero")),
            say("lower the learning rate, by a factor of ten to begin with"),
        ),
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
        remedies=(
            steps(_range_of_rates(usual / 2, usual * 10, "raise the learning rate")),
            say("raise the learning rate, by a factor of ten to begin with"),
        ),
    )


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
        signs.append(f"{show_share(training.gate_saturation or 0.0)} of the gates are saturated")
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


def weight_scale(configuration: Mapping[str, Any]) -> float:
    """Return the initial size of a recurrent weight: PyTorch draws weights up to 1 / sqrt(hidden units)."""
    return 1 / math.sqrt(float(configuration["hidden"]))


def _step(configuration: Mapping[str, Any]) -> float:
    """Return how far one step moves a weight: the learning rate for Adam, or an equivalent rate for other optimisers."""
    usual = _usual_rate(configuration)
    return _effective_rate(configuration) * USUAL_RATE["adam"] / usual


def _reach(training: TrainingFacts, configuration: Mapping[str, Any]) -> float:
    """Return how far a weight can move, in units of its initial size, if every step goes in one direction."""
    return _step(configuration) * training.steps / weight_scale(configuration)


_CLIP = Step("space.clipping", {"norm": {"threshold": 1}}, "clip gradients by their norm")
_ORTHOGONAL = Step("space.initialisation", "xavier_orthogonal", "draw initial weights of a safe size")
_NORMALISED = Step("space.layer_norm", True, "normalise the outputs of each layer")


def easier_to_train(known: KnownSettings) -> Remedy:
    """Return what shortens the way of the gradients. Two layers stay a choice if the space says how to drop between them."""
    layers = Step("space.layers", 1, "use one layer")
    if not known.accept({layers.key: layers.value}):
        layers = Step("space.layers", [1, 2], "use fewer layers")
    pooling = Step("space.pooling", ["max", "mean"], "pool over all steps")
    return steps(layers, _ORTHOGONAL, pooling, _NORMALISED)


def _clip_if_not(known: KnownSettings) -> list[Step]:
    return [_CLIP] if known.value("clipping") == "none" else []


def _range_of_rates(low: float, high: float, does: str) -> Step:
    ends = {"low": float(f"{low:.2g}"), "high": float(f"{high:.2g}")}
    return Step("space.learning_rate", {**ends, "scale": "log"}, does)


def usual_rate_if_not(known: KnownSettings) -> list[Step]:
    """Return the usual learning rates if the model's is far from them."""
    if not known.configuration:
        return []
    usual = _usual_rate(known.configuration)
    is_usual = usual / 4 <= _effective_rate(known.configuration) <= usual * 20
    return [] if is_usual else [_range_of_rates(usual / 2, usual * 10, "use a usual learning rate")]


def _lower_rates(usual: float, rate: float) -> Step:
    """Return usual learning rates that are all below `rate`."""
    high = min(usual * 5, rate / 2)
    return _range_of_rates(min(usual, high) / 10, high, "lower the learning rate")


def _lower_rate(known: KnownSettings) -> list[Step]:
    """Return lower learning rates if the model's is above the usual ones."""
    if not known.configuration or float(known.value("learning_rate")) <= 5 * _usual_rate(known.configuration):
        return []
    return [_lower_rates(_usual_rate(known.configuration), float(known.value("learning_rate")))]


def _smaller_inputs(known: KnownSettings) -> tuple[Remedy, ...]:
    """Return remedies for gates and units that do not move: smaller weights, vectors and steps."""
    scale = known.ends("embedding.random.scale")
    vectors = []
    if scale is not None and scale[0] > 0.1:
        vectors = [Step("space.embedding", known.option_with("embedding", "random", scale=0.1), "use smaller vectors")]
    return (
        steps(_ORTHOGONAL, *vectors, *_lower_rate(known)),
        steps(_NORMALISED),
        say("use smaller initial weights, smaller vectors and a lower learning rate"),
    )


def _usual_rate(configuration: Mapping[str, Any]) -> float:
    """Return the usual learning rate of the optimiser; Adam's if the table does not have it."""
    return USUAL_RATE.get(configuration["optimiser"], USUAL_RATE["adam"])
