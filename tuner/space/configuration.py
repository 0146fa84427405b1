"""Configurations: their hash, and a check of a configuration from outside, such as a bundle's."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml
from tuner.space.options import Number, Options, Parameter, Switch
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs

Value: TypeAlias = str | int | float | bool
Configuration: TypeAlias = Mapping[str, Value]
"""A flat mapping: {"hidden": 64, "clipping": "norm", "clipping.norm.threshold": 1.0}."""


def configuration_hash(configuration: Configuration) -> str:
    """Return 12 hexadecimal digits of the SHA-256 of the configuration's canonical JSON; key order does not matter."""
    text = json.dumps(dict(configuration), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def is_finite_number(value: object) -> bool:
    """Return whether a value read from JSON is a finite number that fits a float. True and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def check_configuration(configuration: Any, inputs: Inputs) -> None:
    """Raise ValueError for a key that is not a parameter of these inputs, and for a value that its parameter does not allow.

    A parameter may be missing, because the configuration may be older than the parameter.
    """
    if not isinstance(configuration, Mapping):
        raise ValueError(f"the configuration is {show_yaml(configuration)}, not an object")
    known: set[str] = set()
    for name, parameter in PARAMETERS[inputs].items():
        _check(name, parameter, configuration, known)
    for name in configuration:
        if name not in known:
            raise ValueError(
                f"the configuration has {show_yaml(name)}, which does not apply to it; {did_you_mean(name, known)}"
            )


def _check(path: str, parameter: Parameter, configuration: Mapping[str, Any], known: set[str]) -> None:
    """Check the parameter at `path`, and the parameters of its chosen option. Add every allowed key to `known`."""
    known.add(path)
    if path not in configuration:
        return
    value = configuration[path]
    if isinstance(parameter, Options):
        option = parameter.options.get(value) if isinstance(value, str) else None
        if option is None:
            raise ValueError(
                f"{path} is {show_yaml(value)}, which is not one of its options; {did_you_mean(str(value), parameter.options)}"
            )
        parameters: dict[str, Parameter] = dict(option.parameters)
        prefix = f"{path}.{value}."
        if option.each is not None:
            weights = [name for name in configuration if isinstance(name, str) and name.startswith(prefix)]
            parameters |= {name.removeprefix(prefix): option.each for name in weights}
        for name, inner in parameters.items():
            _check(prefix + name, inner, configuration, known)
    elif isinstance(parameter, Number):
        is_whole = parameter.kind == "float" or isinstance(value, int)
        if not (is_finite_number(value) and is_whole and parameter.allows(value)):
            kind = "a whole number" if parameter.kind == "int" else "a number"
            raise ValueError(f"{path} is {show_yaml(value)}, but must be {kind} that is {parameter.bounds}")
    elif not isinstance(value, bool if isinstance(parameter, Switch) else str):
        wanted = "true or false" if isinstance(parameter, Switch) else "a text"
        raise ValueError(f"{path} is {show_yaml(value)}, but must be {wanted}")
