"""The embedding: one vector for each token number."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def make_embedding(
    tokens: int,
    *,
    size: int | None = None,
    scale: float | None = None,
    vectors: NDArray[np.float32] | None = None,
    is_tuned: bool = True,
) -> nn.Embedding:
    """Make an embedding of `tokens` vectors: a copy of `vectors` (tokens, size), or drawn with standard deviation `scale`.

    With a size alone, its values are yet to be loaded. It is trained only if `is_tuned`, but is always part of the model's
    state. Raises ValueError for vectors of another shape, and if there are neither vectors nor a size.
    """
    if vectors is not None:
        if len(vectors) != tokens or size not in (None, vectors.shape[1]):
            raise ValueError(f"the vectors are {vectors.shape}, but the embedding is {(tokens, size)}")
        table = torch.tensor(vectors, dtype=torch.float32)
    elif size is None:
        raise ValueError("an embedding needs either vectors or a size, and has neither")
    else:
        table = torch.empty(tokens, size)
        if scale is not None:  # without values, drawing would import torch._dynamo, which takes a second
            table.normal_(std=scale)
    # With `from_pretrained`, PyTorch does not draw initial vectors that would only be replaced.
    embedding: nn.Embedding = nn.Embedding.from_pretrained(table, freeze=not is_tuned)  # type: ignore[no-untyped-call]
    return embedding
