"""Domains: the values that a parameter may take. `tuner.space.domain_reading` reads them from YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tuner.space.options import Need, Number, Options, Parameter, Text


@dataclass(frozen=True)
class Fixed:
    """One value."""

    value: int | float | bool | str


@dataclass(frozen=True)
class Choice:
    """One of several equally likely values."""

    values: tuple[int | float | bool | str, ...]


@dataclass(frozen=True)
class IntRange:
    """A whole number from `low` to `high`, both included, uniform on a linear or log scale, in steps from `low`."""

    low: int
    high: int
    is_log: bool = False
    step: int = 1


@dataclass(frozen=True)
class FloatRange:
    """A real number from `low` to `high`, uniform on a linear or log scale, in steps from `low` if `step` is given."""

    low: float
    high: float
    is_log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class OptionChoice:
    """One of several equally likely options, each with the domains of its own parameters. A single option is fixed."""

    options: tuple[tuple[str, Mapping[str, Domain]], ...]


Single: TypeAlias = Fixed | Choice | IntRange | FloatRange


@dataclass(frozen=True)
class Conditional:
    """A domain that applies only to configurations that meet `need`. Only some of them do."""

    need: Need
    domain: Single


Domain: TypeAlias = "Fixed | Choice | IntRange | FloatRange | OptionChoice | Conditional"


def ends(domain: Domain) -> tuple[float, float]:
    """Return the smallest and the largest number of a domain."""
    if isinstance(domain, IntRange | FloatRange):
        return domain.low, domain.high
    values = domain.values if isinstance(domain, Choice) else (domain.value,) if isinstance(domain, Fixed) else ()
    return min(map(float, values)), max(map(float, values))


def searched_parameters(domains: Mapping[str, Domain], prefix: str = "") -> Iterator[str]:
    """Yield the path of every parameter with more than one value, also inside options, such as "tokens.word.min_count"."""
    for name, domain in domains.items():
        if isinstance(domain, OptionChoice):
            if len(domain.options) > 1:
                yield f"{prefix}{name}"
            for option, domains_of_option in domain.options:
                yield from searched_parameters(domains_of_option, f"{prefix}{name}.{option}.")
        elif not isinstance(domain, Fixed):
            yield f"{prefix}{name}"


def default_domain(parameter: Parameter) -> Domain:
    """Return the domain of a parameter that a space does not mention, fixed at its default.

    Raises ValueError for a text, which has no default.
    """
    if isinstance(parameter, Text):
        raise ValueError("a text has no default")
    if isinstance(parameter, Options):
        parameters = parameter.options[parameter.default].parameters
        defaults = {name: default_domain(each) for name, each in parameters.items()}
        return OptionChoice(((parameter.default, defaults),))
    if isinstance(parameter, Number) and parameter.kind == "int":
        return Fixed(int(parameter.default))
    return Fixed(parameter.default)
