"""The settings of a space are counted without being listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.samplers.enumeration import enumerate_configurations
from tuner.samplers.random import RandomSampler
from tuner.space.configuration import configuration_hash
from tuner.space.counting import count_configurations, describe_limit, describe_size
from tuner.space.domains import Choice, Conditional, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import load_space, read_space, shipped_spaces
from tuner.space.options import Need

whole = st.one_of(
    st.integers(-2, 3).map(Fixed),
    st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True).map(lambda values: Choice(tuple(values))),
    st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()).map(
        lambda drawn: IntRange(drawn[0], drawn[0] + drawn[1], is_log=drawn[2])
    ),
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 2)).map(
        lambda drawn: IntRange(drawn[0], drawn[0] + drawn[1] * drawn[2], step=drawn[1])
    ),
    st.integers(0, 3).map(lambda steps: FloatRange(0.1, round(0.1 + 0.1 * steps, 1), step=0.1)),
)
conditional = st.tuples(st.sampled_from([0.25, 1, 2, 3]), whole).map(
    lambda drawn: Conditional(Need(name="p", least=drawn[0]), drawn[1])
)
flat = st.fixed_dictionaries({"p": whole}, optional={"q": conditional, "r": conditional, "s": whole}).map(
    lambda parameters: {"p": parameters["p"], **parameters}  # before those that depend on it
)
nested = st.dictionaries(st.sampled_from(["x", "y", "z"]), flat, min_size=1, max_size=3).map(
    lambda options: OptionChoice(tuple(options.items()))
)
finite_spaces = st.builds(
    lambda first, option: first | option, flat, st.fixed_dictionaries({}, optional={"o": nested, "v": whole})
)


def listed(parameters: Mapping[str, Domain]) -> set[str]:
    generator = np.random.default_rng(0)
    hashes = [configuration_hash(each) for each in enumerate_configurations(parameters, generator)]
    assert len(hashes) == len(set(hashes)), "no configuration is listed twice"
    return set(hashes)


@settings(max_examples=60, deadline=None)
@given(finite_spaces)
def test_the_count_is_the_number_of_configurations_that_exist(parameters: Mapping[str, Domain]) -> None:
    assert count_configurations(parameters) == len(listed(parameters))


@settings(max_examples=30, deadline=None)
@given(finite_spaces, st.integers(0, 1000))
def test_every_configuration_that_is_sampled_is_listed(parameters: Mapping[str, Domain], seed: int) -> None:
    known = listed(parameters)
    sampler = RandomSampler(parameters, seed=seed)
    assert {configuration_hash(sampler.ask(index)) for index in range(20)} <= known


def test_all_configurations_are_found_by_sampling_long_enough() -> None:
    parameters: dict[str, Domain] = {
        "layers": IntRange(1, 3),
        "between": Conditional(Need(name="layers", least=2), Choice((0.1, 0.2))),
        "clipping": OptionChoice((("none", {}), ("norm", {"threshold": FloatRange(0.5, 1.5, step=0.5)}))),
    }
    sampler = RandomSampler(parameters, seed=0)
    sampled = {configuration_hash(sampler.ask(index)) for index in range(600)}
    assert count_configurations(parameters) == len(sampled) == (1 + 2 * 2) * (1 + 3)


@pytest.mark.parametrize(
    ("domain", "count"),
    [
        (IntRange(8, 64, is_log=True), 57),
        (IntRange(1, 10**9), 10**9),
        (FloatRange(0.1, 0.7, step=0.1), 7),
        (FloatRange(0.3, 0.3), 1),
        (FloatRange(0.3, 0.4), None),
        (FloatRange(1e-4, 1e-2, is_log=True), None),
        (OptionChoice((("none", {}), ("norm", {"threshold": FloatRange(0.0, 1.0)}))), None),
        (OptionChoice((("none", {}), ("norm", {"threshold": FloatRange(0.5, 0.5)}))), 2),
    ],
)
def test_a_range_without_steps_has_infinitely_many_values_unless_its_ends_meet(
    domain: Domain, count: int | None
) -> None:
    assert count_configurations({"x": domain}) == count


def test_a_condition_that_is_never_met_adds_nothing_even_if_it_is_infinite() -> None:
    never = Conditional(Need(name="layers", least=5), FloatRange(0.0, 1.0))
    assert count_configurations({"layers": IntRange(1, 3), "never": never}) == 3


def test_huge_numbers_are_multiplied_and_not_listed() -> None:
    parameters = {name: IntRange(1, 10**6) for name in "abcdefgh"}
    assert count_configurations(parameters) == 10**48
    assert describe_size(parameters) == "the space has more than 1,000,000 settings to try"


@pytest.mark.parametrize("name", sorted(shipped_spaces()))
def test_shipped_spaces_have_more_settings_than_any_search_tries(name: str) -> None:
    assert count_configurations(load_space(name).parameters) is None


SPACE = "task: binary\ndata: {train: rows.csv, text: text, label: label}\nsearch: {SEARCH}\nspace: {SPACE}\n"


@pytest.mark.parametrize(
    ("search", "space", "size", "limit"),
    [
        (
            "trials: 12",
            "hidden: [16, 32]",
            "2 settings",
            "once all have been tried, the finalists follow, so there are fewer than 12 trials",
        ),
        (
            "trials: 3",
            "hidden: 16",
            "only 1 setting",
            "once it has been tried, the finalists follow, so there are fewer than 3 trials",
        ),
        ("trials: 2", "hidden: [16, 32]", "2 settings", None),
        ("time: 5m", "hidden: {low: 8, high: 64, scale: log}", "57 settings", "once all have been tried"),
        ("time: 5m", "max_length: [1, 2], hidden: {low: 8, high: 808}", "1,602 settings", None),
        ("time: 5m", "layers: [1, 2], layer_dropout: [0.1, 0.2]", "3 settings", "once all have been tried"),
        ("trials: 9", "dropout: {low: 0, high: 0.5}", None, None),
    ],
)
def test_a_small_space_is_described_with_what_it_means_for_the_search(
    search: str, space: str, size: str | None, limit: str | None
) -> None:
    loaded = read_space(SPACE.replace("SEARCH", search).replace("SPACE", space))
    described: Any = describe_size(loaded.parameters)
    assert described == (size and f"the space has {size} to try")
    said: Any = describe_limit(loaded.parameters, loaded.search)
    assert (said is None) == (limit is None)
    assert limit is None or (said.startswith(f"the space has {size} to try") and limit in said)
