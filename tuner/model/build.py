"""Build a model from a configuration, and turn its logits into probabilities."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tuner.model.classifier import DropoutRates, SequenceClassifier
from tuner.model.embedding import make_embedding
from tuner.model.pooling import Pooling
from tuner.space.build import build, own_parameters
from tuner.space.configuration import Configuration
from tuner.space.task import Task


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

    Rows are token numbers below `tokens`, or steps of `channels` numbers; the other one is None. If the configuration takes
    its initial vectors from a file or word2vec, pass them as `embedding` (at least `tokens`, size). If you only want to
    load weights into the model, pass the size of the vectors as `embedding_size` instead: they get no initial values. Raises
    ValueError if a configuration that needs one of the two gets neither, or unless exactly one of `tokens` and `channels` is
    given.
    """
    if (tokens is None) == (channels is None):
        raise ValueError(f"tokens is {tokens} and channels is {channels}; give exactly one of them")
    torch.manual_seed(seed)
    inputs = channels if tokens is None else _embedding(configuration, tokens, embedding, embedding_size)
    assert inputs is not None
    hidden, initialise = int(configuration["hidden"]), build(configuration, "initialisation")

    def make_cell(features: int) -> nn.RNNBase:
        cell: nn.RNNBase = build(configuration, "cell", features, hidden, initialise)
        return cell

    def make_pooling(features: int, directions: int) -> Pooling:
        pooling: Pooling = build(configuration, "pooling", features, directions)
        return pooling

    return SequenceClassifier(
        inputs,
        labels=labels,
        make_cell=make_cell,
        layers=int(configuration["layers"]),
        directions=int(configuration["directions"]),
        layer_norm=bool(configuration["layer_norm"]),
        make_pooling=make_pooling,
        dropout=DropoutRates(
            embedding=float(configuration["embedding_dropout"]) if tokens is not None else 0.0,
            between_layers=float(configuration.get("layer_dropout", 0.0)),
            weights=float(configuration["weight_dropout"]),
            head=float(configuration["dropout"]),
            is_variational=bool(configuration["variational_dropout"]),
        ),
        precision=precision,
        seed=seed,
    )


def _embedding(
    configuration: Configuration, tokens: int, vectors: NDArray[np.float32] | None, size: int | None
) -> nn.Embedding:
    chosen, is_random = own_parameters(configuration, "embedding"), configuration["embedding"] == "random"
    if is_random and size is None:
        return make_embedding(tokens, size=int(chosen["size"]), scale=float(chosen["scale"]))
    cut = None if vectors is None else vectors[:tokens]
    return make_embedding(tokens, size=size, vectors=cut, is_tuned=is_random or bool(chosen["is_tuned"]))


def to_probabilities(logits: NDArray[np.float32], task: Task, *, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Turn logits (rows, labels) into probabilities; a label never seen in training has probability 0."""
    values: Tensor = torch.from_numpy(logits).double()
    if task == "multilabel":
        probabilities: NDArray[np.float64] = values.sigmoid().numpy()
        probabilities[:, ~seen] = 0.0
        return probabilities
    values[:, torch.from_numpy(~seen)] = -torch.inf
    return np.asarray(values.softmax(1).numpy())
