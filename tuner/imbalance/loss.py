"""Losses on logits, with weights for rare labels. All use float32 and stay finite for finite logits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tuner.imbalance.training_pass import Targets
from tuner.imbalance.weights import LabelCounts, WeightRule, count_labels
from tuner.space.task import Task

Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes logits (batch, labels) and targets, (batch,) class numbers or (batch, labels) of 0 to 1. Returns one number."""

LossRule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The same with a weight per label (labels,): of the class, or in multi-label of the label's positive side.

The loss is the sum over rows divided by their number, not by their weights as in PyTorch. So a batch without rare rows has a
small loss, as it should, and weights mean the same at any batch size.
"""

_TINY = 1e-8  # below this, the slope of a power may be infinite


def cross_entropy(*, label_smoothing: float = 0.0) -> LossRule:
    """Cross-entropy; in multi-label, the mean of one binary cross-entropy per label.

    `label_smoothing` is the share of the truth that is spread evenly over all classes, or over present and absent (Szegedy
    et al. 2016).

    One label per row: the whole row has the weight of its true class. PyTorch instead gives each class's share of the
    smoothed truth that class's own weight, which pulls frequent rows towards rare classes. Take two classes with
    weights 1 and 200, and smoothing 0.05. On a row of the frequent class, the best probability of the rare class is 0.84 in
    PyTorch, which flips the decision, and 0.025 here.

    Multi-label: as in PyTorch, the positive share of the smoothed truth has the label's weight w. So an absent label is
    pulled towards a probability of about w times half the smoothing. Each label has its own threshold, so this does no harm:
    with root weights, the score is higher by 0.016 on nlupp and by 0.027 on goemotions (means over three seeds).
    """

    def compute(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        if targets.ndim == 1:
            classes = targets.long()
            loss = F.cross_entropy(logits, classes, label_smoothing=label_smoothing, reduction="none")
            return (weights[classes] * loss).mean()
        truth = targets.float()
        smoothed = truth * (1 - label_smoothing) + label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights)

    return compute


def focal(*, gamma: float) -> LossRule:
    """Cross-entropy in which each row, or each label of it, counts (1 - p)^gamma, where p is the probability of the truth.

    Gamma 0 is cross-entropy. The weights are the alpha of Lin et al. (2017), Focal loss for dense object detection.
    """

    def compute(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        if targets.ndim == 1:
            truth = targets.long()
            log_probability = logits.log_softmax(1).gather(1, truth[:, None])[:, 0]
            doubt = (-torch.expm1(log_probability)).clamp(min=_TINY)
            return -(weights[truth] * doubt**gamma * log_probability).mean()
        truth = targets.float()
        present = weights * torch.sigmoid(-logits).clamp(min=_TINY) ** gamma * F.logsigmoid(logits)
        absent = torch.sigmoid(logits).clamp(min=_TINY) ** gamma * F.logsigmoid(-logits)
        return -(truth * present + (1 - truth) * absent).mean()

    return compute


def asymmetric(*, gamma_positive: float, gamma_negative: float, margin: float) -> LossRule:
    """Focal loss for multi-label rows, with one gamma for present labels and another for absent ones.

    The probability of an absent label is first lowered by `margin`, so a probability below `margin` costs nothing. This is
    the mean over rows and labels; the sum in Ridnik et al. (2021), Asymmetric loss for multi-label classification.
    """
    log_margin = math.log(margin) if margin else -math.inf

    def compute(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        if targets.ndim == 1:
            raise ValueError("asymmetric loss is for rows with several labels, but these have one each; use focal")
        truth = targets.float()
        present = weights * torch.sigmoid(-logits).clamp(min=_TINY) ** gamma_positive * F.logsigmoid(logits)
        shifted = (torch.sigmoid(logits) - margin).clamp(min=_TINY)
        log_absent = F.logsigmoid(-logits)
        if margin:  # log(1 - p + margin), at most log 1
            log_absent = torch.logaddexp(log_absent, torch.full_like(log_absent, log_margin)).clamp(max=0)
        return -(truth * present + (1 - truth) * shifted**gamma_negative * log_absent).mean()

    return compute


def make_loss(
    targets: Targets,
    *,
    labels: tuple[str, ...],
    task: Task,
    loss: LossRule,
    weights: WeightRule,
    soft_f1: float,
    logit_adjustment: float,
    device: torch.device | None = None,
) -> Loss:
    """Build the loss for a task from its training targets: (rows,), or (rows, labels) in multi-label.

    - `weights` weigh the positive rows of a label against the rows without it. Class weights are scaled so that the mean
      weight of the training rows is 1. A label on no training row, or on all of them, has weight 1 before scaling.
    - `logit_adjustment` times the log of a class's share, or of a label's odds, is added to the logits in training (Menon et
      al. 2021).
    - The result is (1 - `soft_f1`) × `loss` + `soft_f1` × `soft_f1_loss`.

    Logits and truth must be on `device`.
    """
    weight = _label_weights(targets, labels, task, weights, device)
    prior = _log_prior(count_labels(targets, labels, task))
    shift = (logit_adjustment * prior).to(device) if logit_adjustment else None

    def compute(logits: Tensor, truth: Tensor) -> Tensor:
        logits = logits.float()
        value = loss(logits if shift is None else logits + shift, truth, weight)
        if not soft_f1:
            return value
        return (1 - soft_f1) * value + soft_f1 * soft_f1_loss(logits, truth)

    return compute


def make_soft_loss(
    targets: Targets,
    *,
    labels: tuple[str, ...],
    task: Task,
    weights: WeightRule,
    device: torch.device | None = None,
) -> Loss:
    """Build the loss that takes probabilities (batch, labels) in place of the truth: another model's answers.

    It is cross-entropy, as in Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, at temperature 1. A
    row, or in multi-label each label of it, has the weight that is expected if the truth has these probabilities. So the loss is
    least at these probabilities whatever the weights, and with probabilities of 0 and 1 it is the cross-entropy of `make_loss`.
    """
    weight = _label_weights(targets, labels, task, weights, device)

    def compute(logits: Tensor, probabilities: Tensor) -> Tensor:
        logits, truth = logits.float(), probabilities.float()
        if task == "multilabel":
            return F.binary_cross_entropy_with_logits(logits, truth, weight=truth * weight + (1 - truth))
        return (truth @ weight * F.cross_entropy(logits, truth, reduction="none")).mean()

    return compute


def _label_weights(
    targets: Targets, labels: tuple[str, ...], task: Task, weights: WeightRule, device: torch.device | None
) -> Tensor:
    """Return the weights (labels,) on the device. Copying them for every batch would make the host wait for the GPU."""
    counts = count_labels(targets, labels, task)
    label_weights = weights(counts)
    if task != "multilabel":
        label_weights = label_weights * counts.rows / (label_weights @ counts.counts)
    return torch.tensor(label_weights, dtype=torch.float32, device=device)


def soft_f1_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the macro-F1 of probabilities instead of decisions, over the labels that occur in the batch.

    The F1 of any other label would be 0 for any probabilities. Returns 0 if no row has a label.
    """
    if targets.ndim == 1:
        probabilities, truth = logits.softmax(1), F.one_hot(targets.long(), logits.shape[1]).float()
    else:
        probabilities, truth = logits.sigmoid(), targets.float()
    present = truth.sum(0)
    f1 = 2 * (probabilities * truth).sum(0) / (probabilities.sum(0) + present).clamp(min=_TINY)
    is_present = (present > 0).float()
    return ((1 - f1) * is_present).sum() / is_present.sum().clamp(min=1)


def _log_prior(counts: LabelCounts) -> Tensor:
    """Return the log of each class's share, or each label's log-odds, shape (labels,).

    Counts stay half a row away from none, and in multi-label from all rows, to keep the logarithm finite.
    """
    if counts.task == "multilabel":
        present = np.clip(counts.counts, 0.5, counts.rows - 0.5)
        return torch.tensor(np.log(present / (counts.rows - present)), dtype=torch.float32)
    return torch.tensor(np.log(np.maximum(counts.counts, 0.5) / counts.rows), dtype=torch.float32)
