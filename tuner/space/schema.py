"""The JSON Schema of a space file, made of the same settings and options that the loader reads, for editors to check by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.space.load import TASKS
from tuner.space.options import PARAMETERS, Number, Options, Parameter, Switch
from tuner.space.sections import SECTIONS

Schema = dict[str, Any]


def json_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a whole space file.

    It knows every key, type and bound. Rules over several keys, such as low below high, are the loader's alone.
    """
    sections = {name: model.model_json_schema() for name, model in SECTIONS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A tuner search space",
        "type": "object",
        "required": ["task", "data", "search"],
        "additionalProperties": False,
        "properties": {
            "task": {"enum": list(TASKS), "description": "What kind of labels the data has."},
            **{name: _without_titles(section) for name, section in sections.items()},
            "space": {
                "description": "A domain for each hyperparameter; one that is absent is fixed at its default.",
                **_parameters(PARAMETERS),
            },
        },
    }


def _without_titles(section: Schema) -> Schema:
    """Drop pydantic's titles, which only repeat the keys."""
    properties = {
        name: {key: value for key, value in each.items() if key != "title"}
        for name, each in section["properties"].items()
    }
    return {key: value for key, value in section.items() if key != "title"} | {"properties": properties}


def _parameters(parameters: Mapping[str, Parameter]) -> Schema:
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _parameter(parameter) for name, parameter in parameters.items()},
    }


def _parameter(parameter: Parameter) -> Schema:
    value = _value(parameter)
    choice = {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}
    long_choice = _object({"choice": choice}, required=["choice"])
    ranges = [_range(value)] if isinstance(parameter, Number) else []
    return {
        "description": parameter.summary,
        "default": parameter.default,
        "anyOf": [value, choice, long_choice, *ranges],
    }


def _value(parameter: Parameter) -> Schema:
    if isinstance(parameter, Options):
        bodies = {name: _parameters(option.parameters) for name, option in parameter.options.items()}
        described = {name: {"description": parameter.options[name].summary, **body} for name, body in bodies.items()}
        by_name = {"enum": list(parameter.options)}
        return {"anyOf": [by_name, {**_object(described, required=[]), "minProperties": 1, "maxProperties": 1}]}
    return {"type": "boolean"} if isinstance(parameter, Switch) else _number(parameter)


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
