"""Small classifiers from single keywords, without a whole configuration."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from builders.options import defaults_of
from tuner.model.classifier import DropoutRates, SequenceClassifier
from tuner.model.embedding import make_embedding
from tuner.space.build import builder_of


def make_classifier(
    *,
    labels: int,
    hidden: int,
    tokens: int | None = None,
    channels: int | None = None,
    embedding_size: int | None = None,
    embedding_scale: float = 0.1,
    embedding_vectors: NDArray[np.float32] | None = None,
    is_embedding_tuned: bool = True,
    cell: str = "lstm",
    pooling: str = "max",
    layers: int = 1,
    directions: int = 2,
    layer_norm: bool = False,
    embedding_dropout: float = 0.0,
    layer_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    dropout: float = 0.0,
    variational_dropout: bool = False,
    precision: str = "float32",
    seed: int = 0,
) -> SequenceClassifier:
    """Make a classifier of rows of `tokens` or of `channels`; its cell and pooling have their default parameters."""
    inputs: Any = channels
    if tokens is not None:
        drawn: dict[str, Any] = {"size": embedding_size, "scale": embedding_scale, "vectors": embedding_vectors}
        inputs = make_embedding(tokens, **drawn, is_tuned=is_embedding_tuned)
    initialise = builder_of("initialisation", "pytorch")()

    def make_cell(features: int) -> nn.RNNBase:
        made: nn.RNNBase = builder_of("cell", cell)(features, hidden, initialise, **defaults_of("cell", cell))
        return made

    return SequenceClassifier(
        inputs,
        labels=labels,
        make_cell=make_cell,
        layers=layers,
        directions=directions,
        layer_norm=layer_norm,
        make_pooling=partial(builder_of("pooling", pooling), **defaults_of("pooling", pooling)),
        dropout=DropoutRates(
            embedding=embedding_dropout,
            between_layers=layer_dropout,
            weights=weight_dropout,
            head=dropout,
            is_variational=variational_dropout,
        ),
        precision=precision,
        seed=seed,
    )
