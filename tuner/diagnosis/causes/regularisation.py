"""Too much regularisation: dropout, weight decay or an L1 penalty that removes what the model learns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tuner.diagnosis.causes.cause import Cause, Remedy, Step, falling_by_factors, rising, rising_by_factors, say
from tuner.diagnosis.causes.known_settings import KnownSettings
from tuner.diagnosis.causes.optimisation import weight_scale
from tuner.diagnosis.causes.state import is_weak
from tuner.diagnosis.facts.evidence import Evidence, TrainingFacts
from tuner.show_value import show_share


def too_much_regularisation(evidence: Evidence) -> Cause | None:
    """Dropout, weight decay or an L1 penalty removes what the model learns."""
    training, configuration = evidence.training, evidence.configuration
    if training is None or configuration is None or not is_weak(evidence):
        return None
    known = KnownSettings.of(evidence)
    candidates = [_dropout(known), _decay(training, known), _l1(training, known)]
    worst = max(candidates, key=lambda candidate: candidate.strength)
    return Cause(
        name="too_much_regularisation",
        strength=worst.strength,
        sentence=worst.sentence,
        measurement={**worst.measurement, "train_score": training.train_score, "score": training.score},
        remedies=(
            Remedy(steps=worst.steps),
            say("regularise less: the score on training rows is low too, so the model does not overfit"),
        ),
    )


class _Regulariser(NamedTuple):
    """How much of the signal one kind of regularisation removes."""

    strength: float
    sentence: str
    measurement: Mapping[str, Any]
    steps: tuple[Step, ...]


def _dropout(known: KnownSettings) -> _Regulariser:
    """Grade dropout. A total share p adds noise with p / (1 - p) times the power of the signal: nine times at 0.9."""
    names = ("token_dropout", "embedding_dropout", "weight_dropout", "layer_dropout", "dropout")
    shares = {name: float(known.configuration.get(name, 0.0)) for name in names}
    kept = math.prod(1 - share for share in shares.values())
    given = {name: share for name, share in shares.items() if share}
    listed = ", ".join(f"{name} {share:g}" for name, share in given.items())
    high = [name for name, share in given.items() if share > 0.5]
    return _Regulariser(
        falling_by_factors(kept, 0.1, 0.02),
        f"dropout leaves {show_share(kept)} of the signal ({listed})",
        {"kept_share": kept, **given},
        tuple(_less_dropout(name, 0.5 if high else given[name] / 2) for name in high or given),
    )


def _less_dropout(name: str, most: float) -> Step:
    return Step(f"space.{name}", {"low": 0, "high": float(f"{most:.2g}")}, f"lower {name}")


def _decay(training: TrainingFacts, known: KnownSettings) -> _Regulariser:
    """Compare weight decay with the pull of the loss.

    Decoupled decay (adamw) shrinks each weight by rate x decay per step. Other optimisers add decay to the gradient. It
    pulls a weight of initial size by decay x size; the loss pulls by the gradient's root mean square.
    """
    configuration = known.configuration
    optimiser = configuration["optimiser"]
    decay = float(configuration.get(f"optimiser.{optimiser}.weight_decay", 0.0))
    rate = float(configuration["learning_rate"])
    less = known.option_with("optimiser", optimiser, weight_decay=1e-4)
    step = Step("space.optimiser", less, "decay weights less")
    if optimiser == "adamw":
        shrinks = rate * decay
        sentence = f"weight decay {decay:g} with learning rate {rate:g} takes {show_share(shrinks)} of each weight at every step"
        measurement = {"weight_decay": decay, "shrinks": shrinks}
        return _Regulariser(rising_by_factors(shrinks, 0.01, 0.1), sentence, measurement, (step,))
    pull = decay * weight_scale(configuration) / _gradient_of_a_weight(training)
    sentence = f"weight decay {decay:g} pulls a weight {pull:.3g} times as hard as the loss does"
    measurement = {"weight_decay": decay, "pull": pull}
    return _Regulariser(rising_by_factors(pull, 10.0, 100.0), sentence, measurement, (step,))


def _l1(training: TrainingFacts, known: KnownSettings) -> _Regulariser:
    """Grade the penalty's share of the gradient. Its slope is the same for every weight; `gradient_norm` includes it."""
    l1 = float(known.value("l1"))
    share = min(l1 / _gradient_of_a_weight(training), 1.0)
    sentence = f"the L1 penalty of {l1:g} makes up {show_share(share)} of the gradient"
    step = Step("space.l1", 0, "drop the L1 penalty")
    return _Regulariser(rising(share, 0.5, 1.0), sentence, {"l1": l1, "share_of_gradient": share}, (step,))


def _gradient_of_a_weight(training: TrainingFacts) -> float:
    """Return the root mean square of the gradient's entries, including the zeros of tokens that a batch lacks."""
    norm = training.gradient_norm or math.inf
    return norm / math.sqrt(training.parameters or 1)
