"""Every hyperparameter as a row of a table, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.space.options import Number, Options, Parameter, Switch
from tuner.space.parameters import PARAMETERS

Row = Mapping[str, str]
COLUMNS = ("parameter", "values", "default", "for", "meaning")


def describe_parameters() -> list[Row]:
    """Return one row per parameter and option, with the columns of `COLUMNS`. An option's own parameters follow it, indented."""
    text, sequence = PARAMETERS["text"], PARAMETERS["sequence"]
    is_shared = {name for name in text if text[name] is sequence.get(name)}
    kinds = {
        "text": {name: each for name, each in text.items() if name not in is_shared},
        "sequence": {name: each for name, each in sequence.items() if name not in is_shared},
        "both": {name: text[name] for name in text if name in is_shared},
    }
    return [{**row, "for": kind} for kind, parameters in kinds.items() for row in _rows(parameters, indent="")]


def _rows(parameters: Mapping[str, Parameter], indent: str) -> Iterator[dict[str, str]]:
    for name, parameter in parameters.items():
        yield {
            "parameter": f"{indent}{name}",
            "values": _values(parameter),
            "default": _default(parameter),
            "meaning": parameter.summary,
        }
        if isinstance(parameter, Options):
            for option, body in parameter.options.items():
                tasks = "" if len(body.tasks) == 3 else f" ({', '.join(body.tasks)})"
                yield {
                    "parameter": f"{indent}  {option}",
                    "values": "",
                    "default": "",
                    "meaning": f"{body.summary}{tasks}",
                }
                yield from _rows(body.parameters, indent=f"{indent}    ")


def _values(parameter: Parameter) -> str:
    if isinstance(parameter, Options):
        return "one of:"
    if isinstance(parameter, Switch):
        return "true, false"
    return parameter.bounds if isinstance(parameter, Number) else "a text"


def _default(parameter: Parameter) -> str:
    if isinstance(parameter, Number):
        return f"{parameter.default:g}"
    if isinstance(parameter, Switch):
        return str(parameter.default).lower()
    return parameter.default if isinstance(parameter, Options) else ""
