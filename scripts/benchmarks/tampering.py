"""What plants a fault: functions that spoil data, weights or outputs. `benchmarks.sick` runs trials with them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.sick import with_seen

# --- the data ----------------------------------------------------------------------------------------------------------------


def shuffle_labels(dataset: Any, generator: np.random.Generator) -> Any:
    """Remove the signal: shuffle the labels of every split."""
    shuffled = {
        name: replace(split, targets=split.targets[generator.permutation(len(split))])
        for name, split in dataset.splits.items()
    }
    return replace(dataset, **shuffled)


def make_rare(dataset: Any, generator: np.random.Generator, *, share: float = 0.01) -> Any:
    """Make labels rare: drop training rows of every label but the most frequent until `share` of the rows have it."""
    train = dataset.train
    truth = (
        train.targets.astype(bool)
        if train.targets.ndim == 2
        else train.targets[:, None] == np.arange(len(dataset.labels))
    )
    common = truth.sum(axis=0).argmax()
    is_kept = np.ones(len(train), bool)
    most = max(2, round(share * truth[:, common].sum()))
    for label in np.argsort(-truth.sum(axis=0)):
        if label != common:
            positive = np.flatnonzero(truth[:, label] & is_kept)
            is_kept[generator.permutation(positive)[most:]] = False
    kept = np.flatnonzero(is_kept)
    frequent = kept[truth[kept, common] & (truth[kept].sum(axis=1) == 1)]
    more = generator.choice(
        frequent, len(train) - len(kept)
    )  # as many rows as before, so that training takes as many steps
    return with_seen(replace(dataset, train=train.take(np.sort(np.concatenate([kept, more])))))


def empty_rows(dataset: Any, generator: np.random.Generator, *, share: float = 0.8) -> Any:
    """Blank the texts in a share of the rows of every split."""

    def blank(split: Any) -> Any:
        is_blank = generator.random(len(split)) < share
        return replace(
            split, inputs=tuple(" " if gone else text for text, gone in zip(split.inputs, is_blank, strict=True))
        )

    return replace(dataset, **{name: blank(split) for name, split in dataset.splits.items()})


def conflicting_copies(dataset: Any, generator: np.random.Generator, *, distinct: int = 40) -> Any:
    """Repeat a few inputs, each time with the labels of another row."""

    def copy(split: Any) -> Any:
        taken = generator.integers(0, min(distinct, len(split)), len(split))
        targets = split.targets[generator.permutation(len(split))]
        return replace(split.take(taken), targets=targets)

    return replace(dataset, **{name: copy(split) for name, split in dataset.splits.items()})


# --- the weights -------------------------------------------------------------------------------------------------------------


def shrink_weights(model: Any, *, factor: float = 0.01) -> None:
    """Make the recurrent weights so small that no gradient passes through them."""
    import torch

    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.mul_(factor)


def blow_up_weights(model: Any, *, factor: float = 60.0) -> None:
    """Make the recurrent weights so large that every gate is saturated."""
    import torch

    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.mul_(factor)


# --- the answers -------------------------------------------------------------------------------------------------------------


def cut_at_the_top(probabilities: Any, task: str) -> tuple[Any, Any]:
    """Put thresholds at the largest probability: nothing is decided (of several classes, always the first)."""
    decided = probabilities >= np.maximum(probabilities.max(axis=0), 0.99)
    if task != "multilabel":
        decided[:, 1:] &= False
        decided[:, 0] = True
    return probabilities, decided


def flatten(probabilities: Any, task: str) -> tuple[Any, Any]:
    """Shrink the probabilities until they hardly move from their mean."""
    from tuner.diagnosis.facts.decisions import decide_plainly

    flat = probabilities.mean(axis=0) + 0.002 * (probabilities - probabilities.mean(axis=0))
    return flat, decide_plainly(flat, task)


def shift_up(probabilities: Any, task: str) -> tuple[Any, Any]:
    """Push logits up by a bias: those of all labels, or of several classes those of the first."""
    from tuner.diagnosis.facts.decisions import decide_plainly

    clipped = np.clip(probabilities, 1e-5, 1 - 1e-5)
    odds = clipped / (1 - clipped)
    if task == "multilabel":
        shifted = odds * math.exp(14) / (1 + odds * math.exp(14))
        return shifted, decide_plainly(shifted, task)
    pushed = clipped * np.where(np.arange(clipped.shape[1]) == 0, math.exp(14), 1.0)
    shifted = pushed / pushed.sum(axis=1, keepdims=True)
    return shifted, decide_plainly(shifted, task)
