"""Where the rungs of a search stand."""

from __future__ import annotations


def rung_epochs(*, grace_epochs: float, reduction_factor: float, max_epochs: float) -> tuple[float, ...]:
    """Return the epochs at which a trial is compared with others, rising; the full budget, where it ends, is none of them.

    The first is at `grace_epochs`, and each `reduction_factor` times as far as the one before, as in ASHA (Li et al. 2020,
    "A System for Massively Parallel Hyperparameter Tuning").
    """
    epochs, found = grace_epochs, []
    while epochs < max_epochs * (1 - 1e-9):  # a product of floats may fall a little short of the budget
        found.append(epochs)
        epochs *= reduction_factor
    return tuple(found)


def rung_examples(*, grace_epochs: float, reduction_factor: float, max_epochs: float, rows: int) -> tuple[int, ...]:
    """Return the same in training examples, of which an epoch has `rows`: reports come at numbers rounded in the same way."""
    epochs = rung_epochs(grace_epochs=grace_epochs, reduction_factor=reduction_factor, max_epochs=max_epochs)
    return tuple(round(each * rows) for each in epochs)
