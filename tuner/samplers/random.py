"""Random search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tuner.samplers.draw import PURPOSE, round_within, sample
from tuner.space.configuration import Configuration
from tuner.space.domains import Domain
from tuner.trial.ending import Ending


class RandomDraw:
    """A source of random values."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def category(self, path: str, n: int) -> int:  # noqa: ARG002 - the protocol has it
        return int(self._generator.integers(n))

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        # Half a step wider at both ends; otherwise the ends would be half as likely as other numbers.
        return round_within(self.real(path, low - 0.5, high + 0.5, is_log=is_log), low, high)

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:  # noqa: ARG002
        if not is_log:
            return float(self._generator.uniform(low, high))
        return min(max(math.exp(self._generator.uniform(math.log(low), math.log(high))), low), high)


class RandomSampler:
    """Draws each configuration independently: it depends only on the seed, the trial's index and the attempt."""

    def __init__(self, parameters: Mapping[str, Domain], *, seed: int) -> None:
        self._parameters = parameters
        self._seed = seed

    def ask(self, index: int, attempt: int = 0) -> Configuration:
        again = (attempt,) if attempt else ()
        return sample(self._parameters, RandomDraw(np.random.default_rng((PURPOSE, self._seed, index, *again))))

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: Ending) -> None:
        """Learn nothing."""

    def replay(self, index: int, configuration: Configuration) -> None:
        """Remember nothing."""
