"""Read a section of a space file into typed settings. Each error of pydantic becomes a fault with a remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml
from tuner.space.assignment import Write
from tuner.space.auto import GPUS, OF_SEARCH
from tuner.space.base_section import Section
from tuner.space.colons import space_after_colon
from tuner.space.document import AddFault, Key, Remedy
from tuner.space.parameters import PARAMETERS
from tuner.space.search_settings import ResourceSettings, ScoreSettings, SearchSettings
from tuner.space.settings import DataSettings
from tuner.space.task import LABEL_FIELDS
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


def read_section(model: type[AnySection], raw: Any, key: Key, add_fault: AddFault) -> AnySection | None:
    """Return the settings in the mapping at `key`. If there are faults, pass each to `add_fault` and return None."""
    raw = {} if raw is None else raw
    if not isinstance(raw, dict):
        add_fault(
            key,
            f"{show_yaml(raw)} is not a mapping",
            space_after_colon(raw) or f"write one key per line; the keys are {', '.join(model.model_fields)}",
        )
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    for problem in problems:
        if problem["loc"]:
            add_fault((*key, *problem["loc"]), *_explain(problem, model))
    bad = {str(problem["loc"][0]) for problem in problems if problem["loc"]}
    _check_rules(model, raw, bad, key, add_fault)
    return None


def _check_rules(model: type[Section], raw: Mapping[str, Any], bad: set[str], key: Key, add_fault: AddFault) -> None:
    """Check each rule about several fields if its own fields are good. Pydantic does so only if all fields are good."""
    values = {name: field.default for name, field in model.model_fields.items()} | dict(model.fill(raw))
    for rule in model.rules:
        broken = None if bad & set(rule.fields) else rule.check(values)
        if broken is not None:
            written = [name for name in rule.fields if name in raw]
            what, remedy = broken
            if rule.fields is LABEL_FIELDS and written and raw[written[0]] is None:
                named = ((written[0], "null"),)
                remedy = Write(f"{remedy}; if null is the name of the column, write it in quotes: {{}}", named)
            elif rule.fields is LABEL_FIELDS and written:
                written = [name for name in raw if name in LABEL_FIELDS and raw[name] is not None]
                written, remedy = written[::-1], _keep_last(written, key)
            add_fault((*key, *written[:1]), what, replace(remedy, holder=key) if isinstance(remedy, Write) else remedy)


def _keep_last(fields: Sequence[str], key: Key) -> Write:
    """Return the remedy for several columns of labels: keep the last one, which a --set may have added, with its task."""
    *others, kept = fields
    names = tuple(str(part) for part in key)
    settings: list[tuple[tuple[str, ...], Any]] = [((*names, name), None) for name in others]
    settings.append((("task",), "multiclass" if kept == "label" else "multilabel"))
    note = ", or task binary for two labels" if kept == "label" else ""
    back = " and ".join(others)
    return Write(f"to use {kept}, write also {{all}}{note}; to use {back}, leave {kept} out", tuple(settings))


def _explain(problem: Any, model: type[Section]) -> tuple[str, Remedy]:
    """Turn one of pydantic's error dictionaries into the fault and the remedy."""
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
        return f"{show_yaml(value)} is out of bounds", f"use a number that is {words} {show_yaml(context[name])}"
    if kind in ("int_type", "float_type", "int_from_float", "finite_number", "int_parsing_size"):
        what, remedy = not_a_number(value, "int" if kind.startswith("int") else "float")
        may_be_auto = field in (*OF_SEARCH, GPUS) and isinstance(value, str)
        return what, f"{remedy}, or auto" if may_be_auto and isinstance(remedy, str) else remedy
    if kind == "string_type":
        return not_text(value)
    if kind == "bool_type":
        return not_a_switch(value)
    if kind == "literal_error":
        known = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{show_yaml(value)} is not among the choices", did_you_mean(str(value), known)
    if kind in ("string_too_short", "too_short"):
        return "is empty", f"fill it in ({_description(model, field)})"
    if kind == "tuple_type":
        return f"{show_yaml(value)} is not a list", "write a list of names: [COLUMN, …]"
    return str(problem["msg"]), f"check it ({_description(model, field)})"


def _description(model: type[Section], field: str) -> str:
    return str(model.model_fields[field].description).removesuffix(".")


def not_a_switch(value: Any) -> tuple[str, str]:
    """Return the fault and the remedy for a value that is neither true nor false, such as true in quotes."""
    return f"{show_yaml(value)} is neither true nor false", "write true or false, without quotes; yes and no are text"


def where_known(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown key: the section it belongs to, or the most similar known key."""
    home = home_of(name)
    return did_you_mean(name, known) if home is None else f"it belongs to {home}: move it there"


def home_of(name: str) -> str | None:
    """Return the section that has a key, the first if several do, or None."""
    homes = [section for section, model in SECTIONS.items() if name in model.model_fields]
    homes += ["space"] if any(name in parameters for parameters in PARAMETERS.values()) else []
    return homes[0] if homes else None
