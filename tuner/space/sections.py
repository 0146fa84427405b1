"""One section of a space file, from plain data to typed settings; pydantic's complaints become faults with a remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml as show
from tuner.space.document import Key, Tell
from tuner.space.parameters import PARAMETERS
from tuner.space.search_settings import ResourceSettings, ScoreSettings, SearchSettings
from tuner.space.settings import DataSettings, Section
from tuner.space.wrong_types import not_a_number, not_text

SECTIONS: Mapping[str, type[Section]] = {
    "data": DataSettings,
    "search": SearchSettings,
    "resources": ResourceSettings,
    "score": ScoreSettings,
}

AnySection = TypeVar("AnySection", bound=Section)

_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def read_section(model: type[AnySection], raw: Any, key: Key, tell: Tell) -> AnySection | None:
    """Return the settings that the mapping at `key` describes; None, with every fault told, where it cannot be one."""
    raw = {} if raw is None else raw
    if not isinstance(raw, dict):
        tell(key, f"{show(raw)} is not a mapping", f"write a key a line; known: {', '.join(model.model_fields)}")
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    for problem in problems:
        if problem["loc"]:
            tell((*key, *problem["loc"]), *_explain(problem, model))
    bad = {str(problem["loc"][0]) for problem in problems if problem["loc"]}
    _tell_broken_rules(model, raw, bad, key, tell)
    return None


def _tell_broken_rules(model: type[Section], raw: Mapping[str, Any], bad: set[str], key: Key, tell: Tell) -> None:
    """Check the rules over several fields as far as their fields are good, which pydantic does only if all are."""
    values = {name: field.default for name, field in model.model_fields.items()} | dict(model.fill(raw))
    for rule in model.rules:
        broken = None if bad & set(rule.fields) else rule.check(values)
        if broken is not None:
            given = [name for name in rule.fields if name in raw]
            tell((*key, *given[:1]), *broken)


def _explain(problem: Any, model: type[Section]) -> tuple[str, str]:
    """Return what is wrong and the remedy, from one of pydantic's error dictionaries."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    field = str(problem["loc"][0])
    if kind == "fault":
        return context["what"], context["remedy"]
    if kind == "missing":
        return "is missing", f"add {field}: … ({_description(model, field)})"
    if kind == "extra_forbidden":
        return f"unknown key {field!r}", where_known(field, model.model_fields)
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{show(value)} is out of bounds", f"use a number that is {words} {show(context[name])}"
    if kind in ("int_type", "float_type", "int_from_float", "finite_number", "int_parsing_size"):
        return not_a_number(value, "int" if kind.startswith("int") else "float")
    if kind == "string_type":
        return not_text(value)
    if kind == "bool_type":
        return not_a_switch(value)
    if kind == "literal_error":
        known = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{show(value)} is not among the choices", did_you_mean(str(value), known)
    if kind in ("string_too_short", "too_short"):
        return "is empty", f"fill it in ({_description(model, field)})"
    if kind == "tuple_type":
        return f"{show(value)} is not a list", "write [A, B]"
    return str(problem["msg"]), f"see what it is for ({_description(model, field)})"


def _description(model: type[Section], field: str) -> str:
    return str(model.model_fields[field].description).removesuffix(".")


def not_a_switch(value: Any) -> tuple[str, str]:
    """Return what is wrong with a value that is neither true nor false, and the remedy; whether it had quotes is unknown."""
    return f"{show(value)} is neither true nor false", "write true or false: yes, no and what is in quotes are text"


def where_known(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown key: the section it belongs to, or the nearest of the known ones."""
    homes = [section for section, model in SECTIONS.items() if name in model.model_fields]
    homes += ["space"] if any(name in parameters for parameters in PARAMETERS.values()) else []
    return f"it belongs to {homes[0]}: move it there" if homes else did_you_mean(name, known)
