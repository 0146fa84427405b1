"""The JSON Schema of a space file, for editors. It is made from the same settings and options that the loader reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.space.auto import AUTO
from tuner.space.first_trials import KEY as FIRST
from tuner.space.first_trials import SUMMARY as FIRST_SUMMARY
from tuner.space.load import TASKS
from tuner.space.options import Number, Option, Options, Parameter, Switch, Text
from tuner.space.parameters import PARAMETERS
from tuner.space.sections import SECTIONS

Schema = dict[str, Any]


def json_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a whole space file.

    It knows every key, type and bound, and distinguishes texts from numeric sequences. Only the loader checks other rules
    about several keys, such as low below high, or an option that a task cannot use.
    """
    sections = {name: model.model_json_schema() for name, model in SECTIONS.items()}
    named = {"properties": {"sequence": {"type": ["string", "number", "boolean", "array"]}}, "required": ["sequence"]}
    definitions: Schema = {}
    spaces = {inputs: _parameters(parameters, inputs, definitions) for inputs, parameters in PARAMETERS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A tuner search space",
        "type": "object",
        "required": ["task", "data", "search"],
        "additionalProperties": False,
        "properties": {
            "task": {"enum": list(TASKS), "description": "What kind of labels the data have."},
            **{name: _without_titles(section) for name, section in sections.items()},
            FIRST: {"description": FIRST_SUMMARY},
            "space": {
                "description": "A domain for each hyperparameter. A hyperparameter that is absent keeps its default."
            },
        },
        "if": {"properties": {"data": named}},
        "then": {"properties": {"space": spaces["sequence"], FIRST: _first(PARAMETERS["sequence"])}},
        "else": {"properties": {"space": spaces["text"], FIRST: _first(PARAMETERS["text"])}},
        "$defs": definitions,
    }


def _without_titles(section: Schema) -> Schema:
    """Drop pydantic's titles, which only repeat the keys."""
    properties = {
        name: {key: value for key, value in each.items() if key != "title"}
        for name, each in section["properties"].items()
    }
    return {key: value for key, value in section.items() if key != "title"} | {"properties": properties}


def _parameters(parameters: Mapping[str, Parameter], path: str, definitions: Schema) -> Schema:
    """Return the schema of a mapping of parameters. Add the values of parameters with options to `definitions`."""
    required = [name for name, parameter in parameters.items() if isinstance(parameter, Text)]
    return {
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _parameter(each, f"{path}.{name}", definitions) for name, each in parameters.items()},
        **({"required": required} if required else {}),
    }


def _first(parameters: Mapping[str, Parameter]) -> Schema:
    """Return the schema of the first settings: one value for each parameter that they name."""
    setting = _setting(parameters)
    return {"anyOf": [{**setting, "type": ["object", "null"]}, {"type": "array", "items": setting}]}


def _setting(parameters: Mapping[str, Parameter]) -> Schema:
    return _object({name: _single(parameter) for name, parameter in parameters.items()}, required=[])


def _single(parameter: Parameter) -> Schema:
    if isinstance(parameter, Number):
        return _number(parameter)
    if not isinstance(parameter, Options):
        return {"type": "boolean" if isinstance(parameter, Switch) else "string"}
    bodies: Schema = {
        name: _setting(option.parameters)
        if option.each is None
        else {"type": "object", "additionalProperties": _number(option.each)}
        for name, option in parameter.options.items()
    }
    with_own = {**_object(bodies, required=[]), "minProperties": 1, "maxProperties": 1}
    return {"anyOf": [{"enum": list(parameter.options)}, with_own]}


def _parameter(parameter: Parameter, path: str, definitions: Schema) -> Schema:
    if isinstance(parameter, Text):
        return {"description": parameter.summary, "type": "string", "minLength": 1}
    value = _value(parameter, path, definitions)
    choice = {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}
    long_choice = _object({"choice": choice}, required=["choice"])
    ranges = [_range(value)] if isinstance(parameter, Number) and not parameter.is_listed else []
    autos = [{"const": AUTO}] if isinstance(parameter, Number) and parameter.may_be_auto else []
    return {
        "description": parameter.summary,
        "default": parameter.default,
        "anyOf": [value, choice, long_choice, *ranges, *autos],
    }


def _value(parameter: Number | Switch | Options, path: str, definitions: Schema) -> Schema:
    if isinstance(parameter, Number):
        return _number(parameter)
    if isinstance(parameter, Switch):
        return {"type": "boolean"}
    bodies = {
        name: {"description": option.summary, **_own(option, f"{path}.{name}", definitions)}
        for name, option in parameter.options.items()
    }
    by_name = {"enum": [name for name, option in parameter.options.items() if not _needs_more(option)]}
    with_own = {**_object(bodies, required=[]), "minProperties": 1, "maxProperties": 1}
    definitions[path] = {"anyOf": [by_name, with_own]}
    return {"$ref": f"#/$defs/{path}"}


def _own(option: Option, path: str, definitions: Schema) -> Schema:
    """Return the schema of an option's own parameters, or of one number for each label."""
    if option.each is None:
        return _parameters(option.parameters, path, definitions)
    return {"type": "object", "minProperties": 1, "additionalProperties": _parameter(option.each, path, definitions)}


def _needs_more(option: Option) -> bool:
    """Return whether an option's name alone is not enough."""
    return option.each is not None or any(isinstance(each, Text) for each in option.parameters.values())


def _number(number: Number) -> Schema:
    schema: Schema = {"type": "integer" if number.kind == "int" else "number"}
    schema["exclusiveMinimum" if number.low_open else "minimum"] = number.low
    if number.high is not None:
        schema["exclusiveMaximum" if number.high_open else "maximum"] = number.high
    return schema


def _range(value: Schema) -> Schema:
    step = {"type": value["type"], "exclusiveMinimum": 0}
    properties = {"low": value, "high": value, "scale": {"enum": ["linear", "log"], "default": "linear"}, "step": step}
    return _object(properties, required=["low", "high"])


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}
