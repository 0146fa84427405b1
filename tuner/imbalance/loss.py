"""Losses on logits, with weights for rare labels. All are computed in float32 and stay finite for any finite logits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tuner.imbalance.weights import LabelCounts, Targets, WeightRule, count_labels
from tuner.space.settings import Task

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits (batch, labels) and targets, (batch,) class numbers or (batch, labels) of 0 to 1, to one number."""

LossRule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The same, with a weight per label (labels,): of its class, or with several labels a row of its positive side.

What is returned is the sum over the rows over their number, not over their weights: a batch without a rare row is then as
small as it should be, and weights mean the same at any batch size. PyTorch divides by the weights.
"""

_TINY = 1e-8  # below it a power's slope may be infinite


def cross_entropy(*, label_smoothing: float = 0.0) -> LossRule:
    """Cross-entropy; with several labels a row, the mean of a binary one for each.

    `label_smoothing` is the share of the truth that is spread evenly over all classes, or over present and absent (Szegedy
    et al. 2016).

    One label a row: a row weighs what its true class does, whole. PyTorch gives each class's share of the smoothed truth that
    class's own weight, which moves frequent rows towards rare classes: with weights of 1 to 200 and 0.05 of smoothing, the
    best probability of the rare class on a row of the other one is 0.84 there, which the most probable class decides by, and
    0.025 here. Several labels: as in PyTorch the positive share of the smoothed truth has the label's weight w, so an absent
    label is drawn towards a probability of about w times half of the smoothing. Each label has a threshold of its own, and
    the score is higher by it: beside root weights by 0.016 on nlupp and 0.027 on goemotions (means over three seeds).
    """

    def compute(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        if targets.ndim == 1:
            own = targets.long()
            loss = F.cross_entropy(logits, own, label_smoothing=label_smoothing, reduction="none")
            return (weights[own] * loss).mean()
        truth = targets.float()
        smoothed = truth * (1 - label_smoothing) + label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights)

    return compute


def focal(*, gamma: float) -> LossRule:
    """Cross-entropy in which a row, or a label of it, counts (1 - p)^gamma, where p is the truth's probability.

    Lin et al. (2017), Focal loss for dense object detection; the weights are their alpha. Gamma 0 is cross-entropy.
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
    """Focal loss for several labels a row, with one gamma where a label is present and another where it is absent.

    An absent label's probability is first lowered by `margin`, so that below it nothing is lost. Ridnik et al. (2021),
    Asymmetric loss for multi-label classification; here the mean over rows and labels, theirs is the sum.
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
    """Build the loss for a task from its training targets (rows,), or (rows, labels) for several labels a row.

    `weights`: of a label's positives, against those rows without it, or of a class, scaled so that training rows weigh 1 on
    the mean. A label without a training example, or true on every one, has weight 1 before that. `logit_adjustment` times
    the log of how frequent a label is, or the log of its odds, is added to its logits in training (Menon et al. 2021). The
    loss is (1 - `soft_f1`) times `loss` and `soft_f1` times 1 less the macro-F1 of the probabilities. Logits and truth have
    to lie on `device`.
    """
    counts = count_labels(targets, labels, task)
    own = weights(counts)
    if task != "multilabel":
        own = own * counts.rows / (own @ counts.counts)
    # Moved once: to copy them at every batch would let the host wait for the GPU.
    weight = torch.tensor(own, dtype=torch.float32, device=device)
    shift = (logit_adjustment * _log_prior(counts)).to(device) if logit_adjustment else None

    def compute(logits: Tensor, truth: Tensor) -> Tensor:
        logits = logits.float()
        value = loss(logits if shift is None else logits + shift, truth, weight)
        if not soft_f1:
            return value
        return (1 - soft_f1) * value + soft_f1 * soft_f1_loss(logits, truth)

    return compute


def soft_f1_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 less the macro-F1 of probabilities in place of decisions, over labels that some row of the batch has.

    A label that none has would have an F1 of 0 whatever its probabilities. Zero where no row has any label.
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
    """The log of each class's share, or each label's log-odds, shape (labels,).

    What was never seen, or always, is taken as seen half a time, or all but half: its logarithm has to be finite.
    """
    if counts.task == "multilabel":
        present = np.clip(counts.counts, 0.5, counts.rows - 0.5)
        return torch.tensor(np.log(present / (counts.rows - present)), dtype=torch.float32)
    return torch.tensor(np.log(np.maximum(counts.counts, 0.5) / counts.rows), dtype=torch.float32)
