"""How the values that a parameter may take are written in YAML, and what they become.

    hidden: 64                                     fixed
    hidden: [64, 128, 256]                         a choice; {choice: [64, 128, 256]} is the same
    learning_rate: {low: 5e-4, high: 1e-2, scale: log}          a range
    hidden: {low: 32, high: 256, step: 32}         a range in steps
    clipping: norm                                 an option; its own parameters take their defaults
    clipping: {norm: {threshold: 1.0}}             an option with parameters of its own
    clipping: [none, {norm: {threshold: {low: 0.1, high: 10, scale: log}}}]   a choice of options
    loss_weights: {explicit: {rare: 5, often: 1}}  an option with a parameter for each label of the data

A parameter that is absent is fixed at its default; one that can never be in force beside the others is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml as show
from tuner.space.document import Key, Tell
from tuner.space.options import Need, Number, Option, Options, Parameter, Switch, Text
from tuner.space.sections import not_a_switch
from tuner.space.settings import Inputs, Task
from tuner.space.unknown_names import for_task, not_an_option, unknown_option, unknown_parameter
from tuner.space.wrong_types import not_a_number, not_text

MAX_STEPS = 1_000_000


@dataclass(frozen=True)
class Fixed:
    """One value."""

    value: int | float | bool | str


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely."""

    values: tuple[int | float | bool | str, ...]


@dataclass(frozen=True)
class IntRange:
    """A whole number from `low` to `high`, both included, in steps from `low`, evenly on a linear or log scale."""

    low: int
    high: int
    is_log: bool = False
    step: int = 1


@dataclass(frozen=True)
class FloatRange:
    """A real number from `low` to `high`, on a linear or log scale, in steps from `low` if there is a step."""

    low: float
    high: float
    is_log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class OptionChoice:
    """One of several named options, each as likely, with the domains of its own parameters; fixed, where it is only one."""

    options: tuple[tuple[str, Mapping[str, Domain]], ...]


@dataclass(frozen=True)
class Conditional:
    """A domain that is in force only in those configurations in which `need` is met, which some are."""

    need: Need
    domain: Fixed | Choice | IntRange | FloatRange


Domain: TypeAlias = "Fixed | Choice | IntRange | FloatRange | OptionChoice | Conditional"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a space is for, which some options and parameters depend on; no task where the space names none rightly."""

    task: Task | None
    inputs: Inputs


def read_domains(
    raw: Any, parameters: Mapping[str, Parameter], key: Key, tell: Tell, setting: Setting
) -> dict[str, Domain]:
    """Return a domain for every one of `parameters` that can be in force, from what the mapping at `key` says and defaults.

    Each fault is told through `tell`, and reading goes on with the default in its place.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        remedy = "write a parameter a line, as hidden: 64" if len(key) == 1 else _written(str(key[-1]), raw, parameters)
        tell(key, f"{show(raw)} is not a mapping of parameters", remedy)
        raw = {}
    for name in raw:
        if name not in parameters:
            tell((*key, name), *unknown_parameter(name, parameters, key, setting.inputs))
    domains: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        if name in raw:
            domains[name] = _read_domain(raw[name], parameter, (*key, name), tell, setting)
        elif not isinstance(parameter, Text):
            domains[name] = default_domain(parameter)
    return _in_force(domains, parameters, raw, key, tell)


def _written(option: str, raw: Any, parameters: Mapping[str, Parameter]) -> str:
    """Return a remedy for a value where an option's own parameters belong: the first of them that may have it."""
    for name, parameter in parameters.items():
        if isinstance(parameter, Number) and _read_value(raw, parameter, (), lambda *_: None) is not None:
            return f"write {{{option}: {{{name}: {show(raw)}}}}}"
    first = next(iter(parameters), None)
    return f"write {{{option}: {{{first}: …}}}}" if first else f"it has none: write {option}"


def _in_force(
    domains: Mapping[str, Domain], parameters: Mapping[str, Parameter], raw: Mapping[str, Any], key: Key, tell: Tell
) -> dict[str, Domain]:
    """Return the domains without those that can never be in force, and with their condition those that sometimes are."""
    kept: dict[str, Domain] = {}
    for name, domain in domains.items():
        parameter = parameters[name]
        need = parameter.need if isinstance(parameter, Number) else None
        if need is None or isinstance(domain, OptionChoice | Conditional):
            kept[name] = domain
            continue
        least, most = ends(domains[need.name])
        if most < need.least:
            if name in raw:
                what = f"has no effect where {need.name} is never {need.least:g} or more"
                tell((*key, name), what, f"remove it, or let {need.name} be {need.least:g}")
        else:
            kept[name] = domain if least >= need.least else Conditional(need, domain)
    return kept


def ends(domain: Domain) -> tuple[float, float]:
    """Return the smallest and the largest number of a domain of numbers."""
    if isinstance(domain, IntRange | FloatRange):
        return domain.low, domain.high
    values = domain.values if isinstance(domain, Choice) else (domain.value,) if isinstance(domain, Fixed) else ()
    return min(map(float, values)), max(map(float, values))


def searched_parameters(domains: Mapping[str, Domain], prefix: str = "") -> Iterator[str]:
    """Yield the name of every parameter that has more than one value, those of options too: "tokens.word.min_count"."""
    for name, domain in domains.items():
        if isinstance(domain, OptionChoice):
            if len(domain.options) > 1:
                yield f"{prefix}{name}"
            for option, own in domain.options:
                yield from searched_parameters(own, f"{prefix}{name}.{option}.")
        elif not isinstance(domain, Fixed):
            yield f"{prefix}{name}"


def default_domain(parameter: Parameter) -> Domain:
    """Return the domain of a parameter that a space does not mention: fixed at its default.

    Raises ValueError for a text, which has none.
    """
    if isinstance(parameter, Text):
        raise ValueError("a text has no default")
    if isinstance(parameter, Options):
        own = parameter.options[parameter.default].parameters
        return OptionChoice(((parameter.default, {name: default_domain(each) for name, each in own.items()}),))
    if isinstance(parameter, Number) and parameter.kind == "int":
        return Fixed(int(parameter.default))
    return Fixed(parameter.default)


def _read_domain(raw: Any, parameter: Parameter, key: Key, tell: Tell, setting: Setting) -> Domain:
    if isinstance(parameter, Options):
        return _read_options(raw, parameter, key, tell, setting)
    if isinstance(parameter, Text):
        return Fixed(_read_text(raw, key, tell))
    if isinstance(raw, dict) and "choice" in raw:
        _refuse_others(raw, ("choice",), key, tell)
        return _read_choice(raw["choice"], parameter, (*key, "choice"), tell)
    if isinstance(raw, list):
        return _read_choice(raw, parameter, key, tell)
    if isinstance(raw, dict) and isinstance(parameter, Number):
        return _read_range(raw, parameter, key, tell)
    value = _read_value(raw, parameter, key, tell)
    return default_domain(parameter) if value is None else Fixed(value)


def _read_text(raw: Any, key: Key, tell: Tell) -> str:
    if isinstance(raw, str) and raw:
        return raw
    tell(key, *(("is empty", "write a name") if raw == "" else not_text(raw)))
    return ""


def _refuse_others(raw: Mapping[str, Any], allowed: tuple[str, ...], key: Key, tell: Tell) -> None:
    for name in raw:
        if name not in allowed:
            tell((*key, name), f"unknown key {name!r} beside {allowed[0]}", did_you_mean(name, allowed))


def _read_value(raw: Any, parameter: Number | Switch, key: Key, tell: Tell) -> int | float | bool | None:
    """Return one value within the parameter's bounds, or tell why it is none."""
    if isinstance(parameter, Switch):
        if isinstance(raw, bool):
            return raw
        tell(key, *not_a_switch(raw))
        return None
    number = _read_number(raw, parameter.kind, key, tell)
    if number is not None and not parameter.allows(number):
        tell(key, f"{show(raw)} is out of bounds", f"use a number that is {parameter.bounds}")
        return None
    return number


def _read_number(raw: Any, kind: str, key: Key, tell: Tell) -> int | float | None:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    if not is_number or (kind == "int" and raw != int(raw)):
        tell(key, *not_a_number(raw, kind))
        return None
    return int(raw) if kind == "int" else float(raw)


def _read_choice(raw: Any, parameter: Number | Switch, key: Key, tell: Tell) -> Domain:
    if not isinstance(raw, list) or not raw:
        what = "an empty list has nothing to choose from" if raw == [] else f"{show(raw)} is not a list to choose from"
        tell(key, what, "list the values, as [64, 128]")
        return default_domain(parameter)
    values: list[int | float | bool] = []
    for index, item in enumerate(raw):
        value = _read_value(item, parameter, (*key, index), tell)
        if value is None:
            continue
        if value in values:
            tell((*key, index), f"{show(item)} is in the list twice", "list each value once")
        values.append(value)
    return Choice(tuple(values)) if values else default_domain(parameter)


def _read_range(raw: Mapping[str, Any], parameter: Number, key: Key, tell: Tell) -> Domain:
    fallback = default_domain(parameter)
    if parameter.is_listed:
        what = "is a range, and the texts would have to be prepared anew for every number in it"
        tell(key, what, f"list the numbers, as [{parameter.default:g}, {2 * parameter.default:g}]")
        return fallback
    _refuse_others(raw, ("low", "high", "scale", "step"), key, tell)
    absent = [name for name in ("low", "high") if name not in raw]
    if absent:
        tell(
            key, f"a range without {' and '.join(absent)}", "write {low: …, high: …}, or a list of values, or one value"
        )
    low, high = (_read_number(raw[n], parameter.kind, (*key, n), tell) if n in raw else None for n in ("low", "high"))
    step = _read_number(raw["step"], parameter.kind, (*key, "step"), tell) if "step" in raw else None
    scale = raw.get("scale", "linear")
    if scale not in ("linear", "log"):
        tell((*key, "scale"), f"{show(scale)} is no scale", "write scale: linear or scale: log")
    if scale == "log" and "step" in raw:
        tell((*key, "step"), "a log scale has no steps", "remove step, or use scale: linear")
        step = None
    if low is None or high is None:
        return fallback
    if not (_bounds_hold(low, high, scale == "log", parameter, key, tell) and _steps_fit(low, high, step, key, tell)):
        return fallback
    if parameter.kind == "int":
        return IntRange(int(low), int(high), scale == "log", int(step or 1))
    return FloatRange(low, high, scale == "log", step)


def _bounds_hold(low: float, high: float, is_log: bool, parameter: Number, key: Key, tell: Tell) -> bool:
    is_good = True
    if is_log and low <= 0:
        example = "1" if parameter.kind == "int" else "1e-5"
        tell((*key, "low"), f"low is {show(low)}, but a log scale needs low > 0", f"use {example}, or scale: linear")
        is_good = False
    elif not parameter.allows(low):
        tell((*key, "low"), f"low is {show(low)}, which is out of bounds", f"use a number that is {parameter.bounds}")
        is_good = False
    if low > high:
        tell((*key, "low"), f"low is {show(low)}, above high, which is {show(high)}", "swap them")
        is_good = False
    elif not parameter.allows(high):
        tell(
            (*key, "high"), f"high is {show(high)}, which is out of bounds", f"use a number that is {parameter.bounds}"
        )
        is_good = False
    return is_good


def _steps_fit(low: float, high: float, step: float | None, key: Key, tell: Tell) -> bool:
    """Return whether `high` is reached in whole steps, counted in decimal as people do: 0.1 to 0.7 has six of 0.1."""
    if step is None:
        return True
    if step <= 0:
        tell((*key, "step"), f"step is {show(step)}, but must be above 0", "use a positive step, or remove it")
        return False
    if (high - low) / step > MAX_STEPS:
        tell((*key, "step"), f"step is {show(step)}, which makes more than {MAX_STEPS:,} values", "use a larger step")
        return False
    span, size = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step))
    if span % size:
        reached = Decimal(str(low)) + span // size * size
        what = f"high is {show(high)}, which steps of {show(step)} from {show(low)} do not reach"
        tell((*key, "high"), what, f"use high: {reached} or {reached + size}")
        return False
    return True


def _read_options(raw: Any, parameter: Options, key: Key, tell: Tell, setting: Setting) -> Domain:
    if isinstance(raw, dict) and "choice" in raw:
        _refuse_others(raw, ("choice",), key, tell)
        key, raw = (*key, "choice"), raw["choice"]
    items = [((*key, index), item) for index, item in enumerate(raw)] if isinstance(raw, list) else [(key, raw)]
    if not items:
        known = for_task(parameter.options, setting.task)
        tell(key, "an empty list has nothing to choose from", f"list options: {', '.join(known)}")
        return default_domain(parameter)
    chosen: dict[str, Mapping[str, Domain]] = {}
    for item_key, item in items:
        name, own, own_key = _read_option_name(item, parameter, item_key, tell, setting)
        if name is None:
            continue
        option = parameter.options[name]
        if name in chosen:
            tell(item_key, f"{name} is in the list twice", "list it once, with choices for its parameters")
        if setting.task is not None and setting.task not in option.tasks:
            number = "several" if setting.task == "multilabel" else "one"
            tell(item_key, f"{name} {option.reason}, but task {setting.task} has {number}", option.instead)
        chosen[name] = _read_own(name, own, option, own_key, tell, setting)
    return OptionChoice(tuple(chosen.items())) if chosen else default_domain(parameter)


def _read_own(name: str, raw: Any, option: Option, key: Key, tell: Tell, setting: Setting) -> dict[str, Domain]:
    """Read an option's own parameters, or one for each label that is named."""
    given = raw if isinstance(raw, dict) else {}
    if option.each is not None:
        if not given:
            tell(key, f"{name} names no label", f"write {{{name}: {{LABEL: 5, OTHER: 1}}}}, with the data's labels")
        return read_domains(given, dict.fromkeys(given, option.each), key, tell, setting)
    for own, parameter in option.parameters.items():
        if isinstance(parameter, Text) and own not in given:
            tell(
                key,
                f"{name} needs its {own}",
                f"write {{{name}: {{{own}: …}}}} ({parameter.summary.removesuffix('.')})",
            )
    return read_domains(raw, option.parameters, key, tell, setting)


def _read_option_name(
    item: Any, parameter: Options, key: Key, tell: Tell, setting: Setting
) -> tuple[str | None, Any, Key]:
    """Return an option's name, its own parameters as written, and their key; name None where it is told to be none."""
    if isinstance(item, int | float) and not isinstance(item, bool):
        tell(key, *not_an_option(show(item), _named(key), parameter, setting.task))
        return None, None, key
    if isinstance(item, dict) and "low" in item and "high" in item:
        tell(key, *not_an_option("a range", _named(key), parameter, setting.task))
        return None, None, key
    given = dict(item) if isinstance(item, dict) and item else {item if isinstance(item, str) else show(item): None}
    unknown = [name for name in given if name not in parameter.options]
    for name in unknown:
        where = (*key, name) if isinstance(item, dict) else key
        tell(where, *unknown_option(name, _named(key), for_task(parameter.options, setting.task), setting.inputs))
    if len(given) > 1 and not unknown:
        options = ", ".join(f"{{{name}: …}}" for name in given)
        tell(key, "one mapping has several options", f"write a list: [{options}]")
    if unknown or len(given) > 1:
        return None, None, key
    name, own = next(iter(given.items()))
    return name, own, (*key, name) if isinstance(item, dict) else key


def _named(key: Key) -> str:
    """Return the name of the parameter whose options, or one of them, stand at `key`."""
    return str(next(part for part in reversed(key) if isinstance(part, str) and part != "choice"))
