"""Every setting of a space file as a row of a table, under its dotted path: the name that --set takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.show_value import show_yaml
from tuner.space.auto import AUTO
from tuner.space.first_trials import KEY as FIRST
from tuner.space.first_trials import SUMMARY
from tuner.space.load import TASKS
from tuner.space.options import Number, Options, Parameter, Switch, Text
from tuner.space.parameters import PARAMETERS
from tuner.space.sections import SECTIONS

Row = Mapping[str, str]
COLUMNS = ("setting", "type", "default", "range", "for", "description")
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "null": "null",
}
_COLUMN = ["string", "number", "boolean"]  # a name such as 5 or true is read as it was written
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def describe_settings() -> list[Row]:
    """Return a row with the columns of `COLUMNS` for each key of a space file, and for each option of a hyperparameter.

    `for` names the inputs or the tasks that a setting is limited to.
    """
    task = {"setting": "task", "type": "text", "default": "required", "range": ", ".join(TASKS)}
    rows: list[dict[str, str]] = [{**task, "description": "What kind of labels the data have."}]
    for section, model in SECTIONS.items():
        schema = model.model_json_schema()
        for name, field in schema["properties"].items():
            is_required = name in schema.get("required", ())
            rows.append(_of_section(f"{section}.{name}", field, is_required=is_required))
    rows.append({"setting": FIRST, "type": "setting or list", "default": "null", "range": "", "description": SUMMARY})
    text, sequence = PARAMETERS["text"], PARAMETERS["sequence"]
    for name, parameter in text.items():
        rows += _of_space(f"space.{name}", parameter, "" if parameter is sequence.get(name) else "texts")
    for name, parameter in sequence.items():
        if parameter is not text.get(name):
            rows += _of_space(f"space.{name}", parameter, "sequences")
    return [{"for": "", **row} for row in rows]


def _of_section(setting: str, field: Mapping[str, Any], *, is_required: bool) -> dict[str, str]:
    kinds = [dict(kind) for kind in field.get("anyOf", [field])]
    is_time = any("pattern" in kind for kind in kinds)
    default = field.get("default")
    names = ["a time, such as 90s, 10m or 1h30m"] if is_time else []
    for kind in kinds:
        if "const" in kind:
            names.append(kind["const"])
            continue
        given = kind.get("type", "string")
        if given == _COLUMN:
            names.append("name of a column")
        else:
            names += [_TYPES[each] for each in ([given] if isinstance(given, str) else given)]
    if is_time:
        names = [name for name in names if name != "text"]
    ranges = [", ".join(kind["enum"]) if "enum" in kind else _bounds(kind) for kind in kinds]
    is_duration = is_time and isinstance(default, float)
    return {
        "setting": setting,
        "type": " or ".join(dict.fromkeys(names)),
        "default": "required" if is_required else f"{default:g}s" if is_duration else show_yaml(default).strip("'"),
        "range": "; ".join(filter(None, ranges)),
        "description": str(field["description"]),
    }


def _bounds(kind: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return " and ".join(f"{words[name]} {show_yaml(kind[name])}" for name in _BOUNDS if name in kind)


def _of_space(setting: str, parameter: Parameter, limited_to: str) -> Iterator[dict[str, str]]:
    row = {"setting": setting, "for": limited_to, "default": "required", "description": parameter.summary}
    if isinstance(parameter, Number):
        kind = "whole number" if parameter.kind == "int" else "number"
        kind += f" or {AUTO}" if parameter.may_be_auto else ""
        yield {**row, "type": kind, "default": f"{parameter.default:g}", "range": parameter.bounds}
    elif isinstance(parameter, Switch):
        yield {**row, "type": "true or false", "default": show_yaml(parameter.default), "range": ""}
    elif isinstance(parameter, Text):
        yield {**row, "type": "text", "range": ""}
    else:
        yield {**row, "type": "option", "default": parameter.default, "range": ", ".join(parameter.options)}
        yield from _of_options(setting, parameter, limited_to)


def _of_options(setting: str, parameter: Options, limited_to: str) -> Iterator[dict[str, str]]:
    for name, option in parameter.options.items():
        limits = [limited_to] if limited_to else []
        limits += [] if len(option.tasks) == len(TASKS) else [", ".join(option.tasks)]
        yield {
            "setting": f"{setting}.{name}",
            "type": f"option of {setting.rpartition('.')[2]}",
            "default": "",
            "range": "",
            "for": "; ".join(limits),
            "description": option.summary,
        }
        for own, each in option.parameters.items():
            yield from _of_space(f"{setting}.{name}.{own}", each, "; ".join(limits))
        if option.each is not None:
            yield from _of_space(f"{setting}.{name}.LABEL", option.each, "; ".join(limits))
