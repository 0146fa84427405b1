"""The sequence classifier: embedding, LSTM, pooling, linear head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tuner.model.dropout import Dropout
from tuner.model.pooling import POOLINGS


class SequenceClassifier(nn.Module):
    """An LSTM over token embeddings, pooled over real steps, with one logit per label.

    Padding never changes a row's logits: the forward direction reads from the left, where no padding is; the backward
    direction reads each row reversed within its own length; and pooling sees real steps only. That replaces packed
    sequences, whose kernel is about half as fast on a CPU.

    `seed` is for dropout; initial weights come from PyTorch's global generator, as everywhere in PyTorch.
    `precision` is what the LSTM computes in ("float32" or "bfloat16"); parameters, pooling and logits stay float32.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        labels: int,
        embedding: int,
        hidden: int,
        layers: int,
        directions: int,
        pooling: str,
        embedding_scale: float,
        embedding_dropout: float,
        dropout: float,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        nn.init.normal_(self.embedding.weight, std=embedding_scale)
        self.embedding_dropout = Dropout(embedding_dropout, seed=seed)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                nn.LSTM(embedding if layer == 0 else hidden * directions, hidden, batch_first=True)
                for _ in range(directions)
            )
            for layer in range(layers)
        )
        self.dropout = Dropout(dropout, seed=seed + 1)
        self.pooling = POOLINGS[pooling](hidden * directions, directions)
        self.head = nn.Linear(hidden * directions, labels)
        self.precision = precision

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, time) of token numbers, lengths (batch,) of real steps, each >= 1 -> logits (batch, labels)."""
        return self.classify(self.embedding(ids), lengths)

    def classify(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """embedded (batch, time, embedding), lengths (batch,) -> logits (batch, labels)."""
        outputs = self.embedding_dropout(embedded)
        reversal = _reversal(lengths, outputs.shape[1])
        with torch.autocast(outputs.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            for number, directions in enumerate(self.layers):
                if number:
                    outputs = self.dropout(outputs)
                outputs = _both_directions(directions, outputs, reversal)
        pooled = self.pooling(outputs.float(), lengths)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def _both_directions(directions: nn.Module, inputs: Tensor, reversal: Tensor) -> Tensor:
    forward, *backward = directions.children()
    outputs: Tensor = forward(inputs)[0]
    for lstm in backward:
        read_backward = lstm(_permute(inputs, reversal))[0]
        outputs = torch.cat([outputs, _permute(read_backward, reversal)], dim=2)
    return outputs


def _reversal(lengths: Tensor, time: int) -> Tensor:
    """Flat positions (batch × time,) that reverse each row within its length and leave its padding where it is."""
    step = torch.arange(time, device=lengths.device)
    reversed_step = torch.where(step < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - step, step)
    row_start = torch.arange(len(lengths), device=lengths.device).unsqueeze(1) * time
    return (row_start + reversed_step).flatten()


class _Permute(torch.autograd.Function):
    """Reorders (batch, time) positions by a permutation that is its own inverse.

    Written out because autograd's backward of an indexing adds into a buffer of zeros, one row after the other; here the
    backward is the same indexing again.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, permutation: Tensor) -> Tensor:
        ctx.save_for_backward(permutation)
        return _reorder(inputs, permutation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (permutation,) = ctx.saved_tensors
        return _reorder(gradients[0], permutation), None


def _permute(values: Tensor, permutation: Tensor) -> Tensor:
    permuted: Tensor = _Permute.apply(values, permutation)  # type: ignore[no-untyped-call]
    return permuted


def _reorder(values: Tensor, permutation: Tensor) -> Tensor:
    return values.flatten(0, 1).index_select(0, permutation).view_as(values)
