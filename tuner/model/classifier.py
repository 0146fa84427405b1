"""The sequence classifier: embedding, recurrent layers, pooling, linear head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tuner.model.dropout import Dropout
from tuner.model.pooling import Pooling
from tuner.model.recurrent import RecurrentLayer, reverse_within_length

# Numbers that keep the random stream of each dropout apart from the others, and from the streams that a trial draws with
# its seed and a number below 10.
_EMBEDDING_MASKS, _LAYER_MASKS, _HEAD_MASKS, _WEIGHT_MASKS = 11, 12, 13, 14

MakeCell: TypeAlias = Callable[[int], nn.RNNBase]
"""Takes the number of input features, and returns one direction of a recurrent layer."""

MakePooling: TypeAlias = Callable[[int, int], Pooling]
"""Takes the features and the directions of the last layer, and returns the pooling."""


@dataclass(frozen=True, kw_only=True)
class DropoutRates:
    """Shares that training zeroes: of the embedding, of outputs between layers, of recurrent weights, of the pooled vector.

    With `is_variational`, dropout on the embedding and between layers zeroes the same units at every step of a row.
    """

    embedding: float = 0.0
    between_layers: float = 0.0
    weights: float = 0.0
    head: float = 0.0
    is_variational: bool = False


class SequenceClassifier(nn.Module):
    """Recurrent layers over token embeddings or numeric steps, pooled over real steps, with one logit per label.

    Padding never changes a row's logits: see `RecurrentLayer` and `tuner.model.pooling`.

    `inputs` is the embedding of the tokens, or the number of channels if rows are numeric; `self.embedding` is None then.
    The model draws its initial weights from PyTorch's global generator, as PyTorch's own modules do: cells first, then the
    pooling and the head. `seed` is for dropout only. The recurrent layers compute in `precision` ("float32" or
    "bfloat16"); parameters, pooling and logits stay float32.
    """

    def __init__(
        self,
        inputs: nn.Embedding | int,
        *,
        labels: int,
        make_cell: MakeCell,
        layers: int,
        directions: int,
        layer_norm: bool,
        make_pooling: MakePooling,
        dropout: DropoutRates,
        precision: str,
        seed: int,
    ) -> None:
        super().__init__()
        self.embedding = inputs if isinstance(inputs, nn.Embedding) else None
        self.embedding_dropout = Dropout(
            dropout.embedding, seed=(seed, _EMBEDDING_MASKS), is_variational=dropout.is_variational
        )
        self.layers = nn.ModuleList()
        features = inputs.embedding_dim if isinstance(inputs, nn.Embedding) else inputs
        for number in range(layers):
            layer = RecurrentLayer(
                partial(make_cell, features),
                directions=directions,
                weight_dropout=dropout.weights,
                layer_norm=layer_norm,
                seed=(seed, _WEIGHT_MASKS + number),
            )
            features = layer.features
            self.layers.append(layer)
        self.layer_dropout = Dropout(
            dropout.between_layers, seed=(seed, _LAYER_MASKS), is_variational=dropout.is_variational
        )
        self.pooling = make_pooling(features, directions)
        self.dropout = Dropout(dropout.head, seed=(seed, _HEAD_MASKS))
        self.head = nn.Linear(self.pooling.features, labels)
        self.precision = precision

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Turn steps, as `embed` takes them, and lengths (batch,) of real steps, each >= 1, into logits (batch, labels)."""
        return self.classify(self.embed(steps), lengths)

    def embed(self, steps: Tensor) -> Tensor:
        """Turn token numbers (batch, time) into (batch, time, embedding); return numbers (batch, time, channels) as they are."""
        if self.embedding is None:
            return steps
        embedded: Tensor = self.embedding(steps)
        return embedded

    def classify(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Turn embedded steps (batch, time, embedding or channels) and lengths (batch,) into logits (batch, labels)."""
        outputs = self.embedding_dropout(embedded)
        reversal = reverse_within_length(lengths, outputs.shape[1])
        with torch.autocast(outputs.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            for number, layer in enumerate(self.layers):
                outputs = layer(self.layer_dropout(outputs) if number else outputs, reversal)
        pooled = self.pooling(outputs.float(), lengths)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits
