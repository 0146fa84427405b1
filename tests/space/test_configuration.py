"""A bundle may hold any configuration that a space can draw, and no other."""

from __future__ import annotations

import json

import pytest

from tuner.samplers.random import RandomSampler
from tuner.space.configuration import check_configuration, is_finite_number
from tuner.space.domains import default_domain
from tuner.space.load import load_space, shipped_spaces
from tuner.space.options import Option, Options
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs

OPTIONS: list[tuple[Inputs, str, str]] = [
    (inputs, name, option)
    for inputs, parameters in PARAMETERS.items()
    for name, parameter in parameters.items()
    if isinstance(parameter, Options)
    for option in parameter.options
]


@pytest.mark.parametrize("name", sorted(shipped_spaces()))
def test_what_a_shipped_space_draws_is_allowed(name: str) -> None:
    space = load_space(name, ())
    sampler = RandomSampler(space.parameters, seed=0)
    for index in range(50):
        check_configuration(json.loads(json.dumps(dict(sampler.ask(index)))), space.inputs)


@pytest.mark.parametrize(("inputs", "name", "option"), OPTIONS)
def test_every_option_is_allowed_with_its_defaults(inputs: Inputs, name: str, option: str) -> None:
    parameters = PARAMETERS[inputs]
    configuration = dict(RandomSampler({key: default_domain(each) for key, each in parameters.items()}, seed=0).ask(0))
    own = {key: value for key, value in configuration.items() if not key.startswith(f"{name}.")}
    chosen = parameters[name]
    assert isinstance(chosen, Options)
    body: Option = chosen.options[option]
    given = {"path": "/data/vectors.vec"}
    for key, each in body.parameters.items():
        own[f"{name}.{option}.{key}"] = given[key] if key in given else getattr(each, "default", None)
    check_configuration({**own, name: option}, inputs)


@pytest.mark.parametrize(
    ("value", "is_so"),
    [(0, True), (-1.5, True), (10**308, True), (10**309, False), (float("nan"), False), (True, False), ("1", False)],
)
def test_a_number_is_finite_if_it_fits_a_float(value: object, is_so: bool) -> None:
    assert is_finite_number(value) is is_so
