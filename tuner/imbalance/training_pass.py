"""The input and output of resampling: training rows, and one pass over them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.space.task import Task

RowNumbers = NDArray[np.int64]
Targets = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that a pass is drawn from: `targets` (rows,) class numbers or (rows, labels) of 0 and 1.

    `vectors` (rows, dimensions) float32 are used to search for neighbours; None if no rule needs them.
    """

    targets: Targets
    task: Task
    vectors: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def digest(self) -> bytes:
        """A hash of targets and vectors, the key for results that are computed once for the same rows."""
        digest = hashlib.blake2b(repr((self.task, self.targets.shape)).encode(), digest_size=16)
        for values in (self.targets.astype(np.int64), self.vectors):
            if values is not None:
                digest.update(repr(values.shape).encode())
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.digest()


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass over training rows: n rows to read, and the stratum (n,) of each. Every batch has the same shares of strata.

    With mixing, row i of the pass is (1 - weights[i]) × rows[i] + weights[i] × partners[i], after the embedding. A weight of
    0 leaves the row unmixed. `targets` (n, labels) replace those of `rows`: mixed ones, or probabilities.
    """

    rows: RowNumbers
    strata: RowNumbers
    partners: RowNumbers | None = None
    weights: NDArray[np.float32] | None = None
    targets: Targets | NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.rows)


Resample = Callable[[TrainingRows, np.random.Generator], Pass]


def one_stratum(rows: RowNumbers) -> Pass:
    """Return a pass that reads `rows` in one stratum, without mixing."""
    return Pass(rows, np.zeros(len(rows), np.int64))


def with_soft_targets(resample: Resample, rows: TrainingRows, soft: NDArray[np.float32]) -> Resample:
    """Return a resampling that draws passes over `rows` by their labels, and gives each row its probabilities in `soft`.

    `soft` is (rows, labels). A mixed row has the mixture of both rows' probabilities.
    """

    def draw(_: TrainingRows, generator: np.random.Generator) -> Pass:
        drawn = resample(rows, generator)
        targets = soft[drawn.rows]
        if drawn.partners is not None and drawn.weights is not None:
            targets = targets + drawn.weights[:, None] * (soft[drawn.partners] - targets)
        return replace(drawn, targets=targets.astype(np.float32))

    return draw


def join(passes: Sequence[Pass]) -> Pass:
    """Join passes of one resampling end to end. Either all of them mix rows, or none."""

    def joined(name: str) -> Any:
        parts = [getattr(one_pass, name) for one_pass in passes]
        return None if parts[0] is None else np.concatenate(parts)

    return Pass(**{field.name: joined(field.name) for field in fields(Pass)})
