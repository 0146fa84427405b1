"""How a configuration is drawn from domains.

A configuration is flat: {"hidden": 64, "clipping": "norm", "clipping.norm.threshold": 1.0}. It has every parameter that
applies, including fixed ones, and no others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from tuner.space.configuration import Configuration, Value
from tuner.space.counting import count_values, value_at
from tuner.space.domains import Choice, Conditional, Domain, FloatRange, IntRange, OptionChoice, Single

Choose: TypeAlias = Callable[[str, Single], Value]
"""Takes a parameter's path, such as "clipping.norm.threshold", and its domain. Returns its value."""

PURPOSE = 0x5350_4143
"""Keeps the random streams of samplers apart from others derived from the same seed."""


class Draw(Protocol):
    """A source of values. `path` names the parameter that a value is for, such as "clipping.norm.threshold"."""

    def category(self, path: str, n: int) -> int:
        """Return one of 0 … n - 1."""

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        """Return a whole number from low to high, both included."""

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:
        """Return a real number from low to high."""


def sample(parameters: Mapping[str, Domain], draw: Draw, given: Configuration | None = None) -> dict[str, Value]:
    """Return one configuration of the domains, with values taken from `given`, and from `draw` where it has none."""
    known = given or {}

    def choose(path: str, domain: Single) -> Value:
        return known[path] if path in known else sample_one(path, domain, draw=draw)

    configuration: dict[str, Value] = {}
    choose_all(parameters, choose, configuration, prefix="")
    return configuration


def choose_all(
    parameters: Mapping[str, Domain], choose: Choose, configuration: dict[str, Value], *, prefix: str
) -> None:
    """Fill `configuration` with the values that `choose` returns for each parameter that applies, given those before it."""
    for name, domain in parameters.items():
        path = sys.intern(prefix + name)  # thousands of trials share one string
        if isinstance(domain, Conditional):
            if float(configuration[prefix + domain.need.name]) >= domain.need.least:
                configuration[path] = choose(path, domain.domain)
        elif isinstance(domain, OptionChoice):
            options = dict(domain.options)
            option = str(choose(path, Choice(tuple(options))))
            configuration[path] = option
            choose_all(options[option], choose, configuration, prefix=f"{path}.{option}.")
        else:
            configuration[path] = choose(path, domain)


def sample_one(path: str, domain: Single, *, draw: Draw) -> Value:
    """Return one value of a domain, taken from `draw`. A domain with one value draws nothing."""
    count = count_values(domain)
    if count == 1:
        return value_at(domain, 0)
    if isinstance(domain, Choice):
        return domain.values[draw.category(path, len(domain.values))]
    if count is None:
        assert isinstance(domain, FloatRange)
        return draw.real(path, domain.low, domain.high, is_log=domain.is_log)
    if isinstance(domain, IntRange) and domain.step == 1:
        return draw.integer(path, domain.low, domain.high, is_log=domain.is_log)
    return value_at(domain, draw.integer(path, 0, count - 1, is_log=False))


def round_within(number: float, low: int, high: int) -> int:
    """Round to a whole number from `low` to `high`."""
    return min(max(round(number), low), high)
