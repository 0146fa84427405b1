"""Small configurations for the tests that train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData, prepare
from tuner.space.configuration import Configuration
from tuner.space.domains import Domain, Fixed, OptionChoice
from tuner.space.options import Need, Option, Options, Parameter, Text
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs

SMALL = {
    "embedding.random.size": 8,
    "embedding.word2vec.size": 8,
    "tokens.word.min_count": 1,
    "hidden": 6,
    "batch_size": 16,
    "precision": "float32",
    "max_length": 16,
}


def configure(dotted: dict[str, Any] | None = None, *, inputs: Inputs = "text", **chosen: Any) -> Configuration:
    """Return a configuration: the defaults, sizes from SMALL, and the given values.

    Parameters are given by keyword, an option's own parameters as {"clipping.norm.threshold": 2.0}; those that are not
    given take their defaults.
    """
    values = SMALL | chosen | (dotted or {})
    configuration: dict[str, Any] = {}
    _fill(configuration, PARAMETERS[inputs], values, prefix="")
    return configuration | (dotted or {})


def _fill(
    configuration: dict[str, Any], parameters: Mapping[str, Parameter], values: Mapping[str, Any], *, prefix: str
) -> None:
    for name, parameter in parameters.items():
        path = f"{prefix}{name}"
        need: Need | None = getattr(parameter, "need", None)
        if need is not None and configuration[need.name] < need.least:
            continue
        if isinstance(parameter, Text) and path not in values:
            continue
        value = values.get(path, None if isinstance(parameter, Text) else parameter.default)
        configuration[path] = int(value) if getattr(parameter, "kind", "") == "int" else value
        if isinstance(parameter, Options):
            option: Option = parameter.options[str(value)]
            _fill(configuration, option.parameters, values, prefix=f"{path}.{value}.")


def prepare_for(dataset: Dataset, configuration: Configuration) -> TrialData:
    """Prepare a data set for trials of one configuration."""
    return prepare(dataset, fixed_domains(configuration, dataset.inputs))


def fixed_domains(configuration: Configuration, inputs: Inputs) -> dict[str, Domain]:
    """Return domains that hold the configuration's values only."""
    return _fixed(PARAMETERS[inputs], configuration, prefix="")


def _fixed(parameters: Mapping[str, Parameter], configuration: Configuration, *, prefix: str) -> dict[str, Domain]:
    domains: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        value = configuration.get(path := f"{prefix}{name}")
        if isinstance(parameter, Options):
            option = str(value)
            nested = _fixed(parameter.options[option].parameters, configuration, prefix=f"{path}.{option}.")
            domains[name] = OptionChoice(((option, nested),))
        elif value is not None:
            domains[name] = Fixed(value)
    return domains
