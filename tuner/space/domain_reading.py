"""Read domains: how YAML describes the values that a parameter may take.

    hidden: 64                                     fixed
    hidden: [64, 128, 256]                         a choice; {choice: [64, 128, 256]} is the same
    learning_rate: {low: 5e-4, high: 1e-2, scale: log}          a range
    hidden: {low: 32, high: 256, step: 32}         a range in steps
    batch_size: auto                               the search settles it; only a parameter that may be auto
    clipping: norm                                 an option; its own parameters take their defaults
    clipping: {norm: {threshold: 1.0}}             an option with parameters of its own
    clipping: [none, {norm: {threshold: {low: 0.1, high: 10, scale: log}}}]   a choice of options
    loss_weights: {explicit: {rare: 5, often: 1}}  an option with one number for each label of the data

A parameter that is absent keeps its default. A parameter is left out if its condition is never met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml
from tuner.space.assignment import Write
from tuner.space.auto import AUTO
from tuner.space.colons import space_after_colon
from tuner.space.document import AddFault, Key, Remedy
from tuner.space.domains import (
    Choice,
    Conditional,
    Domain,
    Fixed,
    FloatRange,
    IntRange,
    OptionChoice,
    default_domain,
    ends,
)
from tuner.space.options import Number, Option, Options, Parameter, Switch, Text
from tuner.space.sections import not_a_switch
from tuner.space.task import Inputs, Task
from tuner.space.unknown_names import for_task, not_an_option, unknown_option, unknown_parameter
from tuner.space.values_in_text import several_options, several_values, values_in_braces
from tuner.space.wrong_types import not_a_number, not_text

MAX_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The task and inputs of a space. Some options and parameters depend on them. The task is None if it is not valid."""

    task: Task | None
    inputs: Inputs


def read_domains(
    raw: Any, parameters: Mapping[str, Parameter], key: Key, add_fault: AddFault, setting: Setting
) -> dict[str, Domain]:
    """Return a domain for each of `parameters` that can apply, from the mapping at `key` or from the defaults.

    Pass each fault to `add_fault`, and go on with the default in its place.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        remedy = (
            space_after_colon(raw) or "write one parameter per line, such as hidden: 64"
            if len(key) == 1
            else _written(str(key[-1]), raw, parameters, key)
        )
        add_fault(key, f"{show_yaml(raw)} is not a mapping of parameters", remedy)
        raw = {}
    for name in raw:
        if name not in parameters:
            add_fault((*key, name), *unknown_parameter(name, parameters, key, setting.inputs))
    domains: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        if name in raw:
            domains[name] = _read_domain(raw[name], parameter, (*key, name), add_fault, setting)
        elif not isinstance(parameter, Text):
            domains[name] = default_domain(parameter)
    return _in_force(domains, parameters, raw, key, add_fault)


def _written(option: str, raw: Any, parameters: Mapping[str, Parameter], key: Key) -> Remedy:
    """Return a remedy for a value in place of an option's parameters: the first parameter that accepts the value."""
    for name, parameter in parameters.items():
        if isinstance(parameter, Number) and _read_value(raw, parameter, (), lambda *_: None) is not None:
            return Write("write {}", ((option, {name: raw}),), key[:-1])
    first = next(iter(parameters), None)
    return f"write {{{option}: {{{first}: …}}}}" if first else f"it has no parameters: write {option}"


def _in_force(
    domains: Mapping[str, Domain],
    parameters: Mapping[str, Parameter],
    raw: Mapping[str, Any],
    key: Key,
    add_fault: AddFault,
) -> dict[str, Domain]:
    """Drop the domains of parameters that can never apply, and wrap those that apply only sometimes in their condition."""
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
                what = f"has no effect, because {need.name} is never {need.least:g} or more"
                add_fault((*key, name), what, f"remove it, or allow {need.name}: {need.least:g}")
        else:
            kept[name] = domain if least >= need.least else Conditional(need, domain)
    return kept


def _read_domain(raw: Any, parameter: Parameter, key: Key, add_fault: AddFault, setting: Setting) -> Domain:
    if isinstance(parameter, Options):
        return _read_options(raw, parameter, key, add_fault, setting)
    if isinstance(parameter, Text):
        return Fixed(_read_text(raw, key, add_fault))
    if raw == AUTO and isinstance(parameter, Number) and parameter.may_be_auto:
        return default_domain(parameter)  # until the search settles it
    if isinstance(raw, dict) and "choice" in raw:
        _refuse_others(raw, ("choice",), key, add_fault)
        return _read_choice(raw["choice"], parameter, (*key, "choice"), add_fault)
    if isinstance(raw, list):
        return _read_choice(raw, parameter, key, add_fault)
    if isinstance(raw, dict) and isinstance(parameter, Number):
        meant = values_in_braces(raw, parameter)
        if meant is not None:
            add_fault(key, "has keys without values", meant)
            return default_domain(parameter)
        return _read_range(raw, parameter, key, add_fault)
    return _read_scalar(raw, parameter, key, add_fault)


def _read_scalar(raw: Any, parameter: Number | Switch, key: Key, add_fault: AddFault) -> Domain:
    several = several_values(raw, parameter) if isinstance(raw, str) else None
    if several is not None:
        kind = "true or false" if isinstance(parameter, Switch) else "one number"
        add_fault(key, f"{show_yaml(raw)} is not {kind}", several)
        return default_domain(parameter)
    value = _read_value(raw, parameter, key, add_fault)
    return default_domain(parameter) if value is None else Fixed(value)


def _read_text(raw: Any, key: Key, add_fault: AddFault) -> str:
    if isinstance(raw, str) and raw:
        return raw
    add_fault(key, *(("is empty", "write a name") if raw == "" else not_text(raw)))
    return ""


def _refuse_others(raw: Mapping[str, Any], allowed: tuple[str, ...], key: Key, add_fault: AddFault) -> None:
    for name in raw:
        if name not in allowed:
            add_fault((*key, name), f"unknown key {name!r} beside {allowed[0]}", did_you_mean(name, allowed))


def _read_value(raw: Any, parameter: Number | Switch, key: Key, add_fault: AddFault) -> int | float | bool | None:
    """Return one value within the parameter's bounds, or report the fault and return None."""
    if isinstance(parameter, Switch):
        if isinstance(raw, bool):
            return raw
        add_fault(key, *not_a_switch(raw))
        return None
    number = _read_number(raw, parameter.kind, key, add_fault)
    if number is not None and not parameter.allows(number):
        add_fault(key, f"{show_yaml(raw)} is out of bounds", f"use a number that is {parameter.bounds}")
        return None
    return number


def _read_number(raw: Any, kind: str, key: Key, add_fault: AddFault) -> int | float | None:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    if not is_number or (kind == "int" and raw != int(raw)):
        add_fault(key, *not_a_number(raw, kind))
        return None
    return int(raw) if kind == "int" else float(raw)


def _read_choice(raw: Any, parameter: Number | Switch, key: Key, add_fault: AddFault) -> Domain:
    if not isinstance(raw, list) or not raw:
        what = (
            "an empty list has nothing to choose from"
            if raw == []
            else f"{show_yaml(raw)} is not a list to choose from"
        )
        add_fault(key, what, "list the values, such as [64, 128]")
        return default_domain(parameter)
    if len(raw) == 1 and isinstance(raw[0], str) and several_values(raw[0], parameter):
        return _read_scalar(raw[0], parameter, key, add_fault)
    values: list[int | float | bool] = []
    for index, item in enumerate(raw):
        value = _read_value(item, parameter, (*key, index), add_fault)
        if value is None:
            continue
        if value in values:
            add_fault((*key, index), f"{show_yaml(item)} is in the list twice", "list each value once")
        values.append(value)
    return Choice(tuple(values)) if values else default_domain(parameter)


def _read_range(raw: Mapping[str, Any], parameter: Number, key: Key, add_fault: AddFault) -> Domain:
    fallback = default_domain(parameter)
    if parameter.is_listed:
        what = "is a range, but the texts must be prepared for each value"
        add_fault(key, what, f"list the values, such as [{parameter.default:g}, {2 * parameter.default:g}]")
        return fallback
    _refuse_others(raw, ("low", "high", "scale", "step"), key, add_fault)
    absent = [name for name in ("low", "high") if name not in raw]
    if absent:
        add_fault(
            key,
            f"is a range without {' and '.join(absent)}",
            "write {low: …, high: …}, or a list of values, or one value",
        )
    low, high = (
        _read_number(raw[n], parameter.kind, (*key, n), add_fault) if n in raw else None for n in ("low", "high")
    )
    step = _read_number(raw["step"], parameter.kind, (*key, "step"), add_fault) if "step" in raw else None
    scale = raw.get("scale", "linear")
    if scale not in ("linear", "log"):
        add_fault((*key, "scale"), f"{show_yaml(scale)} is not a scale", "write scale: linear or scale: log")
    if scale == "log" and "step" in raw:
        add_fault((*key, "step"), "a log scale cannot have steps", "remove step, or use scale: linear")
        step = None
    if low is None or high is None:
        return fallback
    if not (
        _bounds_hold(low, high, scale == "log", parameter, key, add_fault)
        and _steps_fit(low, high, step, key, add_fault)
    ):
        return fallback
    if parameter.kind == "int":
        return IntRange(int(low), int(high), scale == "log", int(step or 1))
    return FloatRange(low, high, scale == "log", step)


def _bounds_hold(low: float, high: float, is_log: bool, parameter: Number, key: Key, add_fault: AddFault) -> bool:
    is_good, remedy = True, f"use a number that is {parameter.bounds}"
    if is_log and low <= 0:
        example = "1" if parameter.kind == "int" else "1e-5"
        add_fault(
            (*key, "low"), f"low is {show_yaml(low)}, but a log scale needs low > 0", f"use {example}, or scale: linear"
        )
        is_good = False
    elif not parameter.allows(low):
        add_fault((*key, "low"), f"low is {show_yaml(low)}, which is out of bounds", remedy)
        is_good = False
    if low > high:
        add_fault((*key, "low"), f"low is {show_yaml(low)}, but high is only {show_yaml(high)}", "swap them")
        is_good = False
    elif not parameter.allows(high):
        add_fault((*key, "high"), f"high is {show_yaml(high)}, which is out of bounds", remedy)
        is_good = False
    return is_good


def _steps_fit(low: float, high: float, step: float | None, key: Key, add_fault: AddFault) -> bool:
    """Return whether whole steps reach `high`. Count in decimal, as people do: 0.1 to 0.7 is six steps of 0.1."""
    if step is None:
        return True
    if step <= 0:
        add_fault(
            (*key, "step"), f"step is {show_yaml(step)}, but must be above 0", "use a positive step, or remove it"
        )
        return False
    if (high - low) / step > MAX_STEPS:
        add_fault(
            (*key, "step"),
            f"step is {show_yaml(step)}, which gives more than {MAX_STEPS:,} values",
            "use a larger step",
        )
        return False
    span, size = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step))
    if span % size:
        reached = Decimal(str(low)) + span // size * size
        what = f"high is {show_yaml(high)}, but steps of {show_yaml(step)} from {show_yaml(low)} do not reach it"
        add_fault((*key, "high"), what, f"use high: {reached} or {reached + size}")
        return False
    return True


def _read_options(raw: Any, parameter: Options, key: Key, add_fault: AddFault, setting: Setting) -> Domain:
    if isinstance(raw, dict) and "choice" in raw:
        _refuse_others(raw, ("choice",), key, add_fault)
        key, raw = (*key, "choice"), raw["choice"]
    items = [((*key, index), item) for index, item in enumerate(raw)] if isinstance(raw, list) else [(key, raw)]
    if not items:
        known = for_task(parameter.options, setting.task)
        add_fault(key, "an empty list has nothing to choose from", f"list options: {', '.join(known)}")
        return default_domain(parameter)
    chosen: dict[str, Mapping[str, Domain]] = {}
    for item_key, item in items:
        name, body, body_key = _read_option_name(item, parameter, item_key, add_fault, setting)
        if name is None:
            continue
        option = parameter.options[name]
        if name in chosen:
            add_fault(item_key, f"{name} is in the list twice", "list it once, with choices for its own parameters")
        if setting.task is not None and setting.task not in option.tasks:
            number = "several" if setting.task == "multilabel" else "one"
            add_fault(item_key, f"{name} {option.reason}, but task {setting.task} has {number}", option.instead)
        chosen[name] = _read_own(name, body, option, body_key, add_fault, setting)
    return OptionChoice(tuple(chosen.items())) if chosen else default_domain(parameter)


def _read_own(
    name: str, raw: Any, option: Option, key: Key, add_fault: AddFault, setting: Setting
) -> dict[str, Domain]:
    """Read an option's own parameters, or its numbers for the labels."""
    given = raw if isinstance(raw, dict) else {}
    if option.each is not None:
        if not given:
            add_fault(
                key,
                f"{name} needs at least one label",
                f"write {{{name}: {{LABEL: 5, OTHER: 1}}}}, with labels of the data",
            )
        return read_domains(given, dict.fromkeys(given, option.each), key, add_fault, setting)
    for required, parameter in option.parameters.items():
        if isinstance(parameter, Text) and required not in given:
            add_fault(
                key,
                f"{name} needs its {required}",
                f"write {{{name}: {{{required}: …}}}} ({parameter.summary.removesuffix('.')})",
            )
    return read_domains(raw, option.parameters, key, add_fault, setting)


def _read_option_name(
    item: Any, parameter: Options, key: Key, add_fault: AddFault, setting: Setting
) -> tuple[str | None, Any, Key]:
    """Return an option's name, its own parameters as written, and their key. Report what is not an option; its name is None."""
    if isinstance(item, int | float) and not isinstance(item, bool):
        add_fault(key, *not_an_option(show_yaml(item), _named(key), parameter, setting.task))
        return None, None, key
    if isinstance(item, dict) and "low" in item and "high" in item:
        add_fault(key, *not_an_option("a range", _named(key), parameter, setting.task))
        return None, None, key
    several = several_options(item, parameter, key) if isinstance(item, str) and item not in parameter.options else None
    if several is not None and not isinstance(key[-1], int):
        add_fault(key, f"{show_yaml(item)} is not one option", several)
        return None, None, key
    named = (
        dict(item) if isinstance(item, dict) and item else {item if isinstance(item, str) else show_yaml(item): None}
    )
    unknown = [name for name in named if name not in parameter.options]
    for name in unknown:
        where = (*key, name) if isinstance(item, dict) else key
        add_fault(
            where, *unknown_option(name, key, _named(key), for_task(parameter.options, setting.task), setting.inputs)
        )
    if len(named) > 1 and not unknown:
        options = ", ".join(f"{{{name}: …}}" for name in named)
        add_fault(key, "one mapping has several options", f"write a list: [{options}]")
    if unknown or len(named) > 1:
        return None, None, key
    name, body = next(iter(named.items()))
    return name, body, (*key, name) if isinstance(item, dict) else key


def _named(key: Key) -> str:
    """Return the name of the parameter that `key` belongs to: the key of its options, or of one of them."""
    return str(next(part for part in reversed(key) if isinstance(part, str) and part != "choice"))
