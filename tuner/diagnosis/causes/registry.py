"""The registry of causes, and which causes explain which.

To add a cause, write one function of the evidence and add one line to CAUSES. The function returns None if the evidence says
nothing about the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tuner.diagnosis.causes import duration, optimisation, outputs, regularisation, rows
from tuner.diagnosis.causes.cause import Cause
from tuner.diagnosis.facts.evidence import Evidence

CAUSES: Mapping[str, Callable[[Evidence], Cause | None]] = {
    "no_signal": rows.no_signal,
    "texts_without_spaces": rows.texts_without_spaces,
    "unshared_words": rows.unshared_words,
    "conflicting_duplicates": rows.conflicting_duplicates,
    "empty_rows": rows.empty_rows,
    "unknown_words": rows.unknown_words,
    "truncation": rows.truncation,
    "learning_rate_too_high": optimisation.learning_rate_too_high,
    "learning_rate_too_low": optimisation.learning_rate_too_low,
    "too_short": duration.too_short,
    "too_much_regularisation": regularisation.too_much_regularisation,
    "exploding_gradients": optimisation.exploding_gradients,
    "vanishing_gradients": optimisation.vanishing_gradients,
    "saturated_gates": optimisation.saturated_gates,
    "dead_units": optimisation.dead_units,
    "threshold": outputs.threshold,
    "imbalance": outputs.imbalance,
    "constant_decision": outputs.constant_decision,
    "flat_probabilities": outputs.flat_probabilities,
}

_SHOWN_IN_OUTPUTS = ("flat_probabilities", "constant_decision", "imbalance", "threshold")
_SHOWN_IN_TRAINING = (
    "vanishing_gradients",
    "saturated_gates",
    "dead_units",
    "too_short",
    "learning_rate_too_low",
    "too_much_regularisation",
)

EXPLAINS: Mapping[str, Sequence[str]] = {
    # Labels that cannot be learnt stay unlearnt, whatever the training settings.
    "conflicting_duplicates": ("no_signal", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "empty_rows": ("no_signal", "conflicting_duplicates", "unknown_words", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "texts_without_spaces": (
        "no_signal", "unshared_words", "unknown_words", "truncation", "learning_rate_too_high", *_SHOWN_IN_TRAINING,
        *_SHOWN_IN_OUTPUTS,
    ),
    "unshared_words": ("no_signal", "unknown_words", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    "no_signal": ("learning_rate_too_high", *_SHOWN_IN_TRAINING, *_SHOWN_IN_OUTPUTS),
    # A model cannot learn from tokens that it does not read. Rows that look the same give no gradient to separate them.
    "unknown_words": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "truncation": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    # Weights that jump end up where gates have no slope. The loss then has gradients of any size.
    "learning_rate_too_high": (
        "exploding_gradients", "too_much_regularisation", "vanishing_gradients", "saturated_gates", "dead_units", "too_short",
        *_SHOWN_IN_OUTPUTS,
    ),
    "exploding_gradients": (
        "learning_rate_too_high", "vanishing_gradients", "saturated_gates", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS,
    ),
    # Weights that hardly move keep their small gradients and quiet units, and the score rises slowly.
    "learning_rate_too_low": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "too_short": _SHOWN_IN_OUTPUTS,
    # Weights pulled to zero block the signal, forwards and backwards.
    "too_much_regularisation": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "saturated_gates": ("vanishing_gradients", "dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "vanishing_gradients": ("dead_units", "too_short", *_SHOWN_IN_OUTPUTS),
    "dead_units": _SHOWN_IN_OUTPUTS,
    # Rare labels that are never learnt keep the score low. It may also rise late, whatever the gates do.
    "imbalance": ("constant_decision", "too_short", "vanishing_gradients", "saturated_gates", "dead_units"),
    "threshold": ("constant_decision",),
}  # fmt: skip
"""What each cause brings about. If two explain each other, the stronger one explains the weaker."""
