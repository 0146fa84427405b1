"""Augmentation: small random changes to training rows, drawn anew each time a row is read.

Each change is whole-array numpy on a padded batch and its lengths. A row keeps its length, its label and its padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.space.task import Inputs
from tuner.training.state import State

Augment = Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]]
_Change = Callable[[NDArray[Any], NDArray[np.int64], float, np.random.Generator], NDArray[Any]]

# Token numbers that `tuner.data` reserves: padding is 0, and words are numbered after the unknown token.
_UNKNOWN = 1
_FIRST_WORD = 2


def make_augment(
    inputs: Inputs,
    *,
    vocabulary: int = 0,
    generator: np.random.Generator,
    token_dropout: float = 0.0,
    token_swap: float = 0.0,
    token_replacement: float = 0.0,
    noise: float = 0.0,
    scaling: float = 0.0,
    smoothing: float = 0.0,
    time_masking: float = 0.0,
) -> Augment | None:
    """Build a function that changes a padded batch (rows, time[, channels]) with lengths (rows,); None if nothing changes.

    `vocabulary` is the number of token numbers, including the special ones. Raises ValueError for an augmentation of the other
    kind of inputs.
    """

    def replace(
        steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator
    ) -> NDArray[Any]:
        return _replace_tokens(steps, lengths, share, generator, vocabulary=vocabulary)

    changes: dict[Inputs, list[tuple[_Change, float]]] = {
        "text": [(_swap_tokens, token_swap), (replace, token_replacement), (_drop_tokens, token_dropout)],
        # Masking comes last, so that masked steps stay blank.
        "sequence": [(_smooth, smoothing), (_scale, scaling), (_add_noise, noise), (_mask_time, time_masking)],
    }
    if any(strength for kind, those in changes.items() if kind != inputs for _, strength in those):
        raise ValueError(f"the augmentation does not apply to {inputs} inputs")
    chosen = [(change, strength) for change, strength in changes[inputs] if strength > 0]
    if not chosen:
        return None

    return _Changes(chosen, generator)


class _Changes:
    """Applies changes one after the other, all drawn from one random stream."""

    def __init__(self, changes: Sequence[tuple[_Change, float]], generator: np.random.Generator) -> None:
        self._changes, self._generator = changes, generator

    def __call__(self, steps: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
        for change, strength in self._changes:
            steps = change(steps, lengths, strength, self._generator)
        return steps

    def state(self) -> State:
        return {"generator": self._generator.bit_generator.state}

    def restore(self, state: State) -> None:
        self._generator.bit_generator.state = state["generator"]


def _is_real(steps: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    real: NDArray[np.bool_] = np.arange(steps.shape[1]) < lengths[:, None]
    return real


def _drop_tokens(
    steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Replace each token by the unknown token with probability `share`."""
    return np.where(_is_real(steps, lengths) & (generator.random(steps.shape) < share), _UNKNOWN, steps)


def _replace_tokens(
    steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator, *, vocabulary: int
) -> NDArray[Any]:
    """Replace each token, with probability `share`, by one drawn uniformly from the vocabulary."""
    if vocabulary <= _FIRST_WORD:
        return steps
    chosen = _is_real(steps, lengths) & (generator.random(steps.shape) < share)
    return np.where(chosen, generator.integers(_FIRST_WORD, vocabulary, steps.shape), steps)


def _swap_tokens(
    steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator
) -> NDArray[Any]:
    """With probability `share`, swap each token with the next one, unless it was just swapped."""
    rows, time = steps.shape
    if time < 2:
        return steps
    wanted = (generator.random((rows, time - 1)) < share) & _is_real(steps, lengths)[:, 1:]
    numbers = np.arange(time - 1)
    last_unwanted = np.maximum.accumulate(np.where(wanted, -1, numbers), axis=1)
    # In a run of wanted swaps, every second one would move a token that the swap before it has already moved.
    starts = wanted & ((numbers - last_unwanted) % 2 == 1)
    first, second = np.zeros((2, rows, time), np.int64)
    first[:, :-1], second[:, 1:] = starts, starts
    return np.take_along_axis(steps, np.arange(time) + first - second, axis=1)


def _add_noise(
    steps: NDArray[Any], lengths: NDArray[np.int64], deviation: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Add Gaussian noise to every value."""
    noise = generator.standard_normal(steps.shape, np.float32)
    noise *= np.float32(deviation) * _is_real(steps, lengths)[:, :, None]
    return steps + noise


def _scale(
    steps: NDArray[Any], _lengths: NDArray[np.int64], deviation: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Multiply each channel of each row by its own factor around 1; padding is 0 and stays 0."""
    rows, _, channels = steps.shape
    factors = 1 + np.float32(deviation) * generator.standard_normal((rows, 1, channels), np.float32)
    scaled: NDArray[Any] = steps * factors
    return scaled


def _smooth(
    steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Smooth each row with probability `share`: every value becomes the mean of three steps, two at a row's ends."""
    chosen = np.flatnonzero(generator.random(len(steps)) < share)
    real = _is_real(steps, lengths)[chosen, :, None].astype(np.float32)
    sums, counts = (np.pad(values, ((0, 0), (1, 1), (0, 0))) for values in (steps[chosen] * real, real))
    means = (sums[:, :-2] + sums[:, 1:-1] + sums[:, 2:]) / np.maximum(counts[:, :-2] + real + counts[:, 2:], 1)
    smoothed = steps.copy()
    smoothed[chosen] = means * real
    return smoothed


def _mask_time(
    steps: NDArray[Any], lengths: NDArray[np.int64], share: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Set one stretch of each row, up to `share` of its length, to 0, which is the mean (Park et al. 2019)."""
    widths = generator.integers(0, np.floor(share * lengths).astype(np.int64), endpoint=True)
    starts = generator.integers(0, lengths - widths, endpoint=True)[:, None]
    numbers = np.arange(steps.shape[1])
    is_masked = (numbers >= starts) & (numbers < starts + widths[:, None])
    return np.where(is_masked[:, :, None], np.float32(0), steps)
