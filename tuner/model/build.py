"""From a configuration to a model, and from its logits to probabilities."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuner.model.classifier import SequenceClassifier
from tuner.space.sampler import Configuration
from tuner.space.settings import Task


def make_model(
    configuration: Configuration, *, vocabulary: int, labels: int, precision: str, seed: int
) -> SequenceClassifier:
    """Build the classifier that a configuration describes, with initial weights drawn from `seed`."""
    torch.manual_seed(seed)
    return SequenceClassifier(
        vocabulary=vocabulary,
        labels=labels,
        embedding=int(configuration["embedding"]),
        hidden=int(configuration["hidden"]),
        layers=int(configuration["layers"]),
        directions=int(configuration["directions"]),
        pooling=str(configuration["pooling"]),
        embedding_scale=float(configuration["embedding_scale"]),
        embedding_dropout=float(configuration["embedding_dropout"]),
        dropout=float(configuration["dropout"]),
        precision=precision,
        seed=seed,
    )


def to_probabilities(logits: NDArray[np.float32], task: Task, *, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Turn logits (rows, labels) into probabilities; a label never seen in training has probability 0."""
    values: Tensor = torch.from_numpy(logits).double()
    if task == "multilabel":
        probabilities: NDArray[np.float64] = values.sigmoid().numpy()
        probabilities[:, ~seen] = 0.0
        return probabilities
    values[:, torch.from_numpy(~seen)] = -torch.inf
    return np.asarray(values.softmax(1).numpy())
