"""The interface of samplers, how a space chooses one, and how a configuration is drawn from domains.

A configuration is flat: {"hidden": 64, "clipping": "norm", "clipping.norm.threshold": 1.0}. It has every parameter that
applies, including fixed ones, and no others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Protocol, TypeAlias

from tuner.space.build import import_builder
from tuner.space.configuration import Configuration, Value
from tuner.space.domains import Choice, Conditional, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import Space
from tuner.space.search_settings import ALGORITHMS
from tuner.trial.ending import Ending

Single: TypeAlias = Fixed | Choice | IntRange | FloatRange
Choose: TypeAlias = Callable[[str, Single], Value]
"""Takes a parameter's path, such as "clipping.norm.threshold", and its domain. Returns its value."""

PURPOSE = 0x5350_4143
"""Keeps the random streams of samplers apart from others derived from the same seed."""


class Sampler(Protocol):
    """Proposes the configuration of each trial, and may learn from how the trials went."""

    def ask(self, index: int) -> Configuration:
        """Return the configuration of trial `index`. Call it once for each index."""

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: Ending) -> None:
        """Take in a trial's measurements, as pairs (examples seen, score), and how it ended."""

    def replay(self, index: int, configuration: Configuration) -> None:
        """Restore the state after trial `index` was proposed with `configuration`, as if `ask` had returned it.

        Trials are replayed in the order of their proposals.
        """


def make_sampler(space: Space) -> Sampler:
    """Make the sampler that the space names as `search.algorithm`, with the space's parameters and seed."""
    sampler: Sampler = import_builder(ALGORITHMS[space.search.algorithm])(space.parameters, seed=space.search.seed)
    return sampler


class Draw(Protocol):
    """A source of values. `path` names the parameter that a value is for, such as "clipping.norm.threshold"."""

    def category(self, path: str, n: int) -> int:
        """Return one of 0 … n - 1."""

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        """Return a whole number from low to high, both included."""

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:
        """Return a real number from low to high."""


def sample(parameters: Mapping[str, Domain], draw: Draw) -> dict[str, Value]:
    """Return one configuration of the domains, with values taken from `draw`."""
    configuration: dict[str, Value] = {}
    choose_all(parameters, partial(_sample_one, draw=draw), configuration, prefix="")
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


def _sample_one(path: str, domain: Single, *, draw: Draw) -> Value:
    if isinstance(domain, Fixed):
        return domain.value
    if isinstance(domain, Choice):
        return domain.values[0 if len(domain.values) == 1 else draw.category(path, len(domain.values))]
    if domain.low == domain.high:
        return domain.low
    if isinstance(domain, IntRange):
        if domain.step == 1:
            return draw.integer(path, domain.low, domain.high, is_log=domain.is_log)
        return domain.low + domain.step * draw.integer(path, 0, count_steps(domain), is_log=False)
    if domain.step is None:
        return draw.real(path, domain.low, domain.high, is_log=domain.is_log)
    # Decimal, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
    low, step = Decimal(str(domain.low)), Decimal(str(domain.step))
    return float(low + step * draw.integer(path, 0, count_steps(domain), is_log=False))


def count_steps(domain: IntRange | FloatRange) -> int:
    """Return the number of steps between the ends of a domain."""
    low, high, step = (Decimal(str(number)) for number in (domain.low, domain.high, domain.step))
    return int((high - low) / step)


def round_within(number: float, low: int, high: int) -> int:
    """Round to a whole number from `low` to `high`."""
    return min(max(round(number), low), high)
