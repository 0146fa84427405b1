"""Build what a configuration describes. This is the only module that reads the dotted names of a configuration.

In {"clipping": "norm", "clipping.norm.threshold": 1.0} the parameter `clipping` is set to the option `norm`, and `threshold`
is the option's own parameter. `build(configuration, "clipping")` imports the builder that the option declares, here
`tuner.training.clipping:clip_by_norm`, and calls it as `clip_by_norm(threshold=1.0)`.

Builders are named, not imported, so that a space is read without torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from tuner.space.configuration import Configuration, Value
from tuner.space.options import Option, Options
from tuner.space.parameters import PARAMETERS


def build(configuration: Configuration, parameter: str, *arguments: Any) -> Any:
    """Build what `parameter` is set to, from `arguments` and the option's own parameters as keywords."""
    chosen = str(configuration[parameter])
    return builder_of(parameter, chosen)(*arguments, **own_parameters(configuration, parameter))


def own_parameters(configuration: Configuration, parameter: str) -> dict[str, Value]:
    """Return the own parameters of the option that `parameter` is set to: {"threshold": 1.0} for clipping by norm."""
    prefix = f"{parameter}.{configuration[parameter]}."
    return {name.removeprefix(prefix): value for name, value in configuration.items() if name.startswith(prefix)}


def declared_options(parameter: str) -> Mapping[str, Option]:
    """Return the options that a parameter declares, by name. Raises KeyError if no parameter has that name and options."""
    for parameters in PARAMETERS.values():
        declared = parameters.get(parameter)
        if isinstance(declared, Options):
            return declared.options
    raise KeyError(parameter)


def builder_of(parameter: str, option: str) -> Callable[..., Any]:
    """Import the function or class that an option declares as its builder."""
    return import_builder(declared_options(parameter)[option].builder)


def import_builder(name: str) -> Callable[..., Any]:
    """Import what "tuner.training.clipping:clip_by_norm" names."""
    module, _, attribute = name.partition(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return builder


def builders_of(parameter: str) -> dict[str, Callable[..., Any]]:
    """Import the builders of all options of a parameter, by the option's name."""
    return {name: builder_of(parameter, name) for name in declared_options(parameter)}
