"""Texts that stand for several values: what people write for a list or a range, such as 64,128 and 64-128."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.space.assignment import Write
from tuner.space.document import Key
from tuner.space.options import Number, Options, Switch

_SEPARATOR = re.compile(r"\s*[,;|/]\s*|\s+")
_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|–|:|to|\.\.+)\s*({_NUMBER})")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}([, '’]\d{3})+")
_CALL = re.compile(r"([A-Za-z_.]+)\((.*)\)")  # range(64, 128), as in Python
_RANGE_KEYS = ("low", "high", "scale", "step")
_SWITCHES = {"true": True, "false": False}


def several_values(text: str, parameter: Number | Switch) -> Write | None:
    """Return the remedy for a text that names several values of a parameter; None if it does not.

    If a text can be read in more than one way, the remedy names each.
    """
    call = _CALL.fullmatch(text.strip())
    function, text = call.groups() if call else ("", text)
    parts = [part for part in _SEPARATOR.split(text.strip().strip("()[]{}")) if part]
    values = list(dict.fromkeys(_value(part, parameter) for part in parts))
    are_values = None not in values
    readings: list[tuple[str, Any]] = []
    if len(values) > 1 and are_values:
        readings.append(("a list of values: {}", values))
    ends = _RANGE.fullmatch(text.strip())
    if isinstance(parameter, Number) and not parameter.is_listed:
        pair = [_value(end, parameter) for end in ends.groups()] if ends else values if are_values else []
        if len(pair) == 2 and None not in pair and pair[0] < pair[1]:
            scale = {"scale": "log"} if "log" in function.lower() and pair[0] > 0 else {}
            readings.append(("a range: {}", {"low": pair[0], "high": pair[1], **scale}))
        numbers = [_value(written, parameter) for written in _single_numbers(text.strip(), parameter)]
        readings += [("one number: {}", number) for number in numbers if number is not None]
    if not readings:
        return None
    sentence = "; or ".join(phrase for phrase, _ in readings)
    return Write(f"write {sentence}", tuple(("", value) for _, value in readings))


def values_in_braces(raw: Mapping[Any, Any], parameter: Number) -> Write | None:
    """Return the remedy for keys without values that stand for values: {64, 128} and {low=64, high=128}; otherwise None."""
    if not raw or any(value is not None for value in raw.values()):
        return None
    pairs = {name.strip(): value.strip() for name, _, value in (str(key).partition("=") for key in raw)}
    if not any(pairs.values()):
        value = _value(next(iter(pairs)), parameter) if len(pairs) == 1 else None
        only = None if value is None else Write("write one value without braces: {}", (("", value),))
        return only or several_values(", ".join(map(str, raw)), parameter)
    values = {name: value if name == "scale" else _value(value, parameter) for name, value in pairs.items()}
    if None in values.values() or not set(values) <= set(_RANGE_KEYS):
        return None
    return Write("write a range with colons: {}", (("", values),))


def _single_numbers(text: str, parameter: Number) -> Iterator[str]:
    """Yield a text with a decimal comma, or with commas between thousands, as a number is written here."""
    if parameter.kind == "float" and _DECIMAL_COMMA.fullmatch(text):
        yield text.replace(",", ".")
    if _THOUSANDS.fullmatch(text):
        yield re.sub(r"\D", "", text)


def several_options(text: str, parameter: Options, key: Key) -> Write | None:
    """Return the remedy for a text that names several options, such as max,mean; None if it does not."""
    names = [name for name in _SEPARATOR.split(text.strip().strip("()[]{}")) if name]
    if len(names) < 2 or len(set(names)) < len(names) or not set(names) <= set(parameter.options):
        return None
    return Write("write a list of options: {}", (("", names),), key)


def _value(text: str, parameter: Number | Switch) -> Any:
    """Return the value that a text names if the parameter may have it, otherwise None."""
    if isinstance(parameter, Switch):
        return _SWITCHES.get(text)
    try:
        number = int(text) if parameter.kind == "int" else float(text)
    except ValueError:
        return None
    has_padding = parameter.kind == "int" and str(number) != text.removeprefix("+")  # as in 1,024
    return number if parameter.allows(number) and not has_padding else None
