"""The sequence classifier: embedding, recurrent layers, pooling, linear head."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tuner.model.dropout import Dropout
from tuner.model.initialise import INITIALISATIONS
from tuner.model.pooling import POOLINGS
from tuner.model.recurrent import CELLS, RecurrentLayer, reverse_within_length

# Set each dropout's stream apart from the others and from what a trial draws with its seed and numbers below 10.
_EMBEDDING_MASKS, _LAYER_MASKS, _HEAD_MASKS, _WEIGHT_MASKS = 11, 12, 13, 14


class SequenceClassifier(nn.Module):
    """Recurrent layers over token embeddings or numeric steps, pooled over real steps, with one logit per label.

    Padding never changes a row's logits: see `RecurrentLayer` and `tuner.model.pooling`.

    Rows are token numbers below `tokens`, or steps of `channels` numbers; one of the two is given. An embedding of
    `embedding_size` is drawn with standard deviation `embedding_scale`, or begins as `embedding_vectors` (tokens, size);
    `self.embedding` is None where rows are numeric. It is trained only if `is_embedding_tuned`, and in the state either
    way. `forget_bias` is for the LSTM cell only, `heads` for self-attention only. `variational_dropout` is for the
    dropout on the embedding and between layers.

    `seed` is for dropout; initial weights come from PyTorch's global generator, as everywhere in PyTorch.
    `precision` is what the recurrent layers compute in ("float32" or "bfloat16"); parameters, pooling and logits stay
    float32. Raises ValueError if not exactly one of `tokens` and `channels` is given, or vectors of another shape.
    """

    def __init__(
        self,
        *,
        tokens: int | None = None,
        channels: int | None = None,
        labels: int,
        embedding_size: int | None = None,
        embedding_scale: float = 0.1,
        embedding_vectors: NDArray[np.float32] | None = None,
        is_embedding_tuned: bool = True,
        embedding_dropout: float = 0.0,
        cell: str = "lstm",
        forget_bias: float = 0.0,
        initialisation: str = "pytorch",
        hidden: int,
        layers: int = 1,
        directions: int = 2,
        pooling: str = "max",
        heads: int = 4,
        layer_norm: bool = False,
        layer_dropout: float = 0.0,
        variational_dropout: bool = False,
        weight_dropout: float = 0.0,
        dropout: float = 0.0,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.embedding: nn.Embedding | None = None
        if not _is_numeric(tokens, channels):
            self.embedding = _make_embedding(tokens, embedding_size, embedding_scale, embedding_vectors)
            self.embedding.weight.requires_grad_(is_embedding_tuned)
        inputs = channels if self.embedding is None else self.embedding.embedding_dim
        features = hidden * directions
        self.embedding_dropout = Dropout(
            embedding_dropout, seed=(seed, _EMBEDDING_MASKS), is_variational=variational_dropout
        )
        make_cell = partial(CELLS[cell], **({"forget_bias": forget_bias} if cell == "lstm" else {}))
        self.layers = nn.ModuleList(
            RecurrentLayer(
                partial(make_cell, features if layer else inputs, hidden, INITIALISATIONS[initialisation]),
                directions=directions,
                weight_dropout=weight_dropout,
                layer_norm=layer_norm,
                seed=(seed, _WEIGHT_MASKS + layer),
            )
            for layer in range(layers)
        )
        self.layer_dropout = Dropout(layer_dropout, seed=(seed, _LAYER_MASKS), is_variational=variational_dropout)
        own = {"heads": heads} if pooling == "self_attention" else {}
        self.pooling = POOLINGS[pooling](features, directions, **own)
        self.dropout = Dropout(dropout, seed=(seed, _HEAD_MASKS))
        self.head = nn.Linear(self.pooling.features, labels)
        self.precision = precision

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """steps as for `embed`, lengths (batch,) of real steps, each >= 1 -> logits (batch, labels)."""
        return self.classify(self.embed(steps), lengths)

    def embed(self, steps: Tensor) -> Tensor:
        """Token numbers (batch, time) -> (batch, time, embedding); numbers (batch, time, channels) -> the same."""
        if self.embedding is None:
            return steps
        embedded: Tensor = self.embedding(steps)
        return embedded

    def classify(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """embedded (batch, time, embedding or channels), lengths (batch,) -> logits (batch, labels)."""
        outputs = self.embedding_dropout(embedded)
        reversal = reverse_within_length(lengths, outputs.shape[1])
        with torch.autocast(outputs.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            for number, layer in enumerate(self.layers):
                outputs = layer(self.layer_dropout(outputs) if number else outputs, reversal)
        pooled = self.pooling(outputs.float(), lengths)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def _is_numeric(tokens: int | None, channels: int | None) -> bool:
    if (tokens is None) == (channels is None):
        raise ValueError(f"tokens is {tokens} and channels is {channels}; give exactly one of them")
    return tokens is None


def _make_embedding(
    tokens: int | None, size: int | None, scale: float, vectors: NDArray[np.float32] | None
) -> nn.Embedding:
    """Embedding of `tokens` rows: `vectors` copied, else drawn. `from_pretrained` saves PyTorch's own first draw."""
    if vectors is not None:
        if len(vectors) != tokens or size not in (None, vectors.shape[1]):
            raise ValueError(f"the vectors are {vectors.shape}, but the embedding is {(tokens, size)}")
        table = torch.tensor(vectors, dtype=torch.float32)
    elif tokens is None or size is None:
        raise ValueError("an embedding of tokens needs embedding_size or embedding_vectors")
    else:
        table = torch.empty(tokens, size).normal_(std=scale)
    embedding: nn.Embedding = nn.Embedding.from_pretrained(table)  # type: ignore[no-untyped-call]
    return embedding
