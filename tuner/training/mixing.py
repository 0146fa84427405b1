"""Mixed rows: a weighted mean of two rows' embeddings, step by step."""

from __future__ import annotations

import torch
from torch import Tensor


def mix_partners(embedded: Tensor, lengths: Tensor, mixed: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mix some rows with partners, which follow the rows in the order of `mixed` (Chawla et al. 2002, SMOTE).

    Takes embedded (rows + mixed, time, features), lengths (rows + mixed,), positions mixed (mixed,) and the partners' shares
    weights (mixed,). Returns embedded (rows, time, features) and lengths (rows,).
    """
    rows = len(lengths) - len(mixed)
    clean = _without_padding(embedded, lengths)
    blend = torch.lerp(clean[mixed], clean[rows:], weights[:, None, None])
    blend_lengths = _mixed_lengths(lengths[mixed], lengths[rows:], weights)
    return clean[:rows].index_copy(0, mixed, blend), lengths[:rows].index_copy(0, mixed, blend_lengths)


def mix_up(embedded: Tensor, lengths: Tensor, order: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Mix every row with its partner in `order` (rows,), with one share for all rows (Zhang et al. 2018, mixup)."""
    clean = _without_padding(embedded, lengths)
    weights = torch.full(lengths.shape, weight, device=lengths.device)
    return torch.lerp(clean, clean[order], weight), _mixed_lengths(lengths, lengths[order], weights)


def _without_padding(embedded: Tensor, lengths: Tensor) -> Tensor:
    """Set steps after a row's end to 0, so that padding adds nothing to a longer partner's steps."""
    real = torch.arange(embedded.shape[1], device=lengths.device) < lengths[:, None]
    return embedded * real[:, :, None]


def _mixed_lengths(lengths: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
    return torch.lerp(lengths.float(), partners.float(), weights).round().long().clamp(min=1)
