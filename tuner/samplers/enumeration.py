"""Go through all configurations of a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tuner.samplers.draw import choose_all, sample_one
from tuner.samplers.random import RandomDraw
from tuner.space.configuration import Configuration, Value
from tuner.space.counting import count_values, value_at
from tuner.space.domains import Domain, Single


class _Wheel:
    """One parameter's values in turn, from a random one on. A domain with infinitely many values goes on for ever."""

    def __init__(self, path: str, domain: Single, generator: np.random.Generator) -> None:
        self._path, self._domain, self._generator = path, domain, generator
        self._count = count_values(domain)
        self._start = int(generator.integers(self._count)) if self._count else 0
        self._turns = 0

    def value(self) -> Value:
        if self._count is None:
            return sample_one(self._path, self._domain, draw=RandomDraw(self._generator))
        return value_at(self._domain, (self._start + self._turns) % self._count)

    def turn(self) -> bool:
        """Go to the next value, and return whether there is one."""
        self._turns += 1
        return self._count is None or self._turns < self._count


def enumerate_configurations(
    parameters: Mapping[str, Domain], generator: np.random.Generator
) -> Iterator[Configuration]:
    """Yield every configuration once, from a random one on; infinitely many configurations never end.

    Later parameters turn first, as in a mileage counter. Among any n + 1 of them, at least one differs from n others.
    """
    wheels: list[_Wheel] = []
    while True:
        unread = iter(tuple(wheels))

        def choose(path: str, domain: Single, unread: Iterator[_Wheel] = unread) -> Value:
            wheel = next(unread, None)
            if wheel is None:  # this parameter is not set yet
                wheel = _Wheel(path, domain, generator)
                wheels.append(wheel)
            return wheel.value()

        configuration: dict[str, Value] = {}
        choose_all(parameters, choose, configuration, prefix="")
        yield configuration
        while wheels and not wheels[-1].turn():
            wheels.pop()
        if not wheels:
            return
