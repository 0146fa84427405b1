"""From a configuration to a model, and from its logits to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuner.model.classifier import SequenceClassifier
from tuner.space.configuration import Configuration
from tuner.space.settings import Task


def make_model(
    configuration: Configuration,
    *,
    tokens: int | None,
    channels: int | None,
    labels: int,
    precision: str,
    seed: int,
    embedding: NDArray[np.float32] | None = None,
    embedding_size: int | None = None,
) -> SequenceClassifier:
    """Build the classifier that a configuration describes, with initial weights drawn from `seed`.

    Rows are token numbers below `tokens` or steps of `channels` numbers; the other is None. `embedding` has the first
    vectors (at least `tokens`, size) where the configuration takes them from a file or word2vec. Where such a model is
    built only to load weights into, `embedding_size` is their size instead. Raises ValueError if neither is given there.
    """
    torch.manual_seed(seed)
    return SequenceClassifier(
        tokens=tokens,
        channels=channels,
        labels=labels,
        **({} if tokens is None else _embedding(configuration, tokens, embedding, embedding_size)),
        cell=str(configuration["cell"]),
        forget_bias=float(configuration.get("cell.lstm.forget_bias", 0.0)),
        initialisation=str(configuration["initialisation"]),
        hidden=int(configuration["hidden"]),
        layers=int(configuration["layers"]),
        directions=int(configuration["directions"]),
        pooling=str(configuration["pooling"]),
        heads=int(configuration.get("pooling.self_attention.heads", 1)),
        layer_norm=bool(configuration["layer_norm"]),
        layer_dropout=float(configuration.get("layer_dropout", 0.0)),
        variational_dropout=bool(configuration["variational_dropout"]),
        weight_dropout=float(configuration["weight_dropout"]),
        dropout=float(configuration["dropout"]),
        precision=precision,
        seed=seed,
    )


def _embedding(
    configuration: Configuration, tokens: int, vectors: NDArray[np.float32] | None, size: int | None
) -> dict[str, Any]:
    """Arguments of the classifier that are for texts only."""
    kind = str(configuration["embedding"])
    chosen = {"embedding_dropout": float(configuration["embedding_dropout"])}
    if kind == "random":
        return {
            **chosen,
            "embedding_size": int(configuration["embedding.random.size"]),
            "embedding_scale": float(configuration["embedding.random.scale"]),
        }
    return {
        **chosen,
        "embedding_size": size,
        "embedding_vectors": None if vectors is None else vectors[:tokens],
        "is_embedding_tuned": bool(configuration[f"embedding.{kind}.is_tuned"]),
    }


def to_probabilities(logits: NDArray[np.float32], task: Task, *, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Turn logits (rows, labels) into probabilities; a label never seen in training has probability 0."""
    values: Tensor = torch.from_numpy(logits).double()
    if task == "multilabel":
        probabilities: NDArray[np.float64] = values.sigmoid().numpy()
        probabilities[:, ~seen] = 0.0
        return probabilities
    values[:, torch.from_numpy(~seen)] = -torch.inf
    return np.asarray(values.softmax(1).numpy())
