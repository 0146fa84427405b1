"""Losses on logits, and the weights that lift rare labels in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tuner.space.settings import Task

Loss = Callable[[Tensor, Tensor], Tensor]


def no_weights(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every label counts alike."""
    return np.ones_like(ratios)


def balanced_weights(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """In full proportion to rarity: each label's two sides, or each class, weigh the same in all."""
    return ratios


def root_weights(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """In proportion to the square root of rarity: half of the correction, on a log scale."""
    return np.sqrt(ratios)


LOSS_WEIGHTS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "none": no_weights,
    "balanced": balanced_weights,
    "root": root_weights,
}


def make_loss(targets: NDArray[np.integer], labels: int, task: Task, *, weights: str) -> Loss:
    """Build the loss for a task from its training targets.

    Multi-label: binary cross-entropy with a positive weight per label, from negatives over positives. Binary and
    multi-class: cross-entropy with a weight per class, from mean count over count; PyTorch divides by the sum of weights.
    A label without a training example, or true on every one, has weight 1.
    """
    if task == "multilabel":
        positives = targets.sum(0, dtype=np.float64)
        is_mixed = (positives > 0) & (positives < len(targets))
        ratios = np.where(is_mixed, (len(targets) - positives) / np.maximum(positives, 1), 1.0)
        positive_weight = torch.tensor(LOSS_WEIGHTS[weights](ratios), dtype=torch.float32)

        def binary_loss(logits: Tensor, truth: Tensor) -> Tensor:
            return F.binary_cross_entropy_with_logits(
                logits, truth.float(), pos_weight=positive_weight.to(logits.device)
            )

        return binary_loss

    counts = np.bincount(targets, minlength=labels).astype(np.float64)
    ratios = np.where(counts > 0, counts[counts > 0].mean() / np.maximum(counts, 1), 1.0)
    class_weight = torch.tensor(LOSS_WEIGHTS[weights](ratios), dtype=torch.float32)

    def class_loss(logits: Tensor, truth: Tensor) -> Tensor:
        return F.cross_entropy(logits, truth.long(), weight=class_weight.to(logits.device))

    return class_loss
