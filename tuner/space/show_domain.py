"""Show the domain of a parameter on one line: as YAML for a space file, or in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.show_value import show_yaml
from tuner.space.assignment import yaml_value
from tuner.space.domains import (
    Choice,
    Conditional,
    Domain,
    Fixed,
    OptionChoice,
    default_domain,
)
from tuner.space.options import Options, Parameter


def domain_as_yaml(domain: Domain, parameter: Parameter | None) -> str:
    """Return a domain as a space file writes it: "{low: 0.1, high: 10, scale: log}".

    `parameter` is its declaration, which has the defaults. With None, every parameter of an option is shown.
    """
    return yaml_value(domain_as_tree(domain, parameter))


def domain_in_words(domain: Domain) -> str:
    """Return a domain in words: "0.001 to 0.01, log". Domains with the same words are the same, so no value is cut."""
    if isinstance(domain, Conditional):
        return f"{domain_in_words(domain.domain)} where {domain.need.name} is {domain.need.least:g} or more"
    if isinstance(domain, Fixed):
        return show_yaml(domain.value, is_whole=True)
    if isinstance(domain, Choice):
        return " or ".join(show_yaml(value, is_whole=True) for value in domain.values)
    if isinstance(domain, OptionChoice):
        return " or ".join(option for option, _ in domain.options)
    steps = "" if domain.step is None or domain.step == 1 else f" in steps of {show_yaml(domain.step)}"
    return f"{show_yaml(domain.low)} to {show_yaml(domain.high)}{steps}{', log' if domain.is_log else ''}"


def domain_as_tree(domain: Domain, parameter: Parameter | None) -> Any:
    """Return a domain as the YAML tree of a space file; `parameter` is as in `domain_as_yaml`.

    An option lists only the parameters that differ from the default.
    """
    if isinstance(domain, Conditional):
        return domain_as_tree(domain.domain, parameter)
    if isinstance(domain, Fixed):
        return domain.value
    if isinstance(domain, Choice):
        return list(domain.values)
    if isinstance(domain, OptionChoice):
        options = [_plain_option(name, parameters, parameter) for name, parameters in domain.options]
        return options[0] if len(options) == 1 else options
    if domain.low == domain.high:
        return domain.low
    scale = {"scale": "log"} if domain.is_log else {}
    step = {"step": domain.step} if domain.step not in (None, 1) else {}
    return {"low": domain.low, "high": domain.high, **scale, **step}


def _plain_option(name: str, parameters: Mapping[str, Domain], parameter: Parameter | None) -> Any:
    declared = parameter.options[name].parameters if isinstance(parameter, Options) else {}
    changed = {
        each: domain_as_tree(domain, declared.get(each))
        for each, domain in parameters.items()
        if not _is_default(domain, declared.get(each))
    }
    return {name: changed} if changed else name


def _is_default(domain: Domain, parameter: Parameter | None) -> bool:
    try:
        return parameter is not None and domain == default_domain(parameter)
    except ValueError:  # a text has no default
        return False
