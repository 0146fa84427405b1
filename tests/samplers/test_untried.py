"""No configuration is tried twice while there are others, and nothing else about the proposals changes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.samplers.base import Sampler, UntriedSampler
from tuner.samplers.enumeration import enumerate_configurations
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TpeSampler
from tuner.space.configuration import Configuration, configuration_hash
from tuner.space.counting import count_configurations
from tuner.space.domains import Choice, Conditional, Domain, FloatRange, IntRange, OptionChoice
from tuner.space.load import load_space
from tuner.space.options import Need
from tuner.trial.ending import Ending

KINDS = [RandomSampler, TpeSampler]
Kind = type[RandomSampler] | type[TpeSampler]
FEW: Mapping[str, Domain] = {
    "layers": IntRange(1, 3),
    "between": Conditional(Need(name="layers", least=2), Choice((0.1, 0.2))),
    "clipping": OptionChoice((("none", {}), ("norm", {"threshold": FloatRange(0.5, 1.5, step=0.5)}))),
}
NOT_ALL_INFINITE: Mapping[str, Domain] = {
    "clipping": OptionChoice((("none", {}), ("value", {}), ("norm", {"threshold": FloatRange(0.0, 1.0)})))
}


def make(kind: Kind, parameters: Mapping[str, Domain], seed: int = 0) -> UntriedSampler:
    return UntriedSampler(kind(parameters, seed=seed), parameters, seed=seed)


def ask_all(sampler: UntriedSampler | Sampler, trials: int) -> list[Configuration]:
    asked = []
    for index in range(trials):
        asked.append(sampler.ask(index))
        score = math.sin(index)
        sampler.tell(index, measurements=[(100, score)], ending=Ending.COMPLETED)
    return asked


def distinct(asked: list[Configuration]) -> int:
    return len({configuration_hash(each) for each in asked})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_every_configuration_is_tried_once_before_any_is_tried_again(kind: Kind, seed: int) -> None:
    sampler = make(kind, FEW, seed)
    assert sampler.untried() == count_configurations(FEW) == 20
    asked = ask_all(sampler, 20)
    assert distinct(asked) == 20
    assert sampler.untried() == 0
    assert sampler.ask(20) in asked


@pytest.mark.parametrize("kind", KINDS)
def test_running_trials_count_as_tried(kind: Kind) -> None:
    sampler = make(kind, FEW)
    assert distinct([sampler.ask(index) for index in range(20)]) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_without_repeats_are_the_samplers_own(kind: Kind) -> None:
    parameters = load_space("multilabel").parameters
    assert ask_all(make(kind, parameters, 3), 15) == ask_all(kind(parameters, seed=3), 15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_finite_part_of_an_infinite_space_is_tried_once(kind: Kind) -> None:
    sampler = make(kind, NOT_ALL_INFINITE)
    asked = ask_all(sampler, 30)
    assert sampler.untried() is None
    assert distinct(asked) == 30


@pytest.mark.parametrize("ending", Ending)
def test_a_trial_that_ran_counts_as_tried_however_it_ended(ending: Ending) -> None:
    sampler = make(RandomSampler, FEW)
    sampler.ask(0)
    sampler.tell(0, measurements=[(100, 0.5)], ending=ending)
    assert sampler.untried() == 19


@pytest.mark.parametrize(
    ("ending", "untried"),
    [(Ending.FAILED, 19), (Ending.DIVERGED, 19), (Ending.INTERRUPTED, 20), (Ending.CUT_SHORT, 20)],
)
def test_only_a_trial_that_was_cut_short_before_it_was_measured_does_not_count(ending: Ending, untried: int) -> None:
    sampler = make(RandomSampler, FEW)
    sampler.ask(0)
    sampler.tell(0, measurements=[], ending=ending)
    assert sampler.untried() == untried


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 19), waits=st.lists(st.integers(0, 5), min_size=20, max_size=20)
)
def test_a_small_space_goes_on_after_a_replay_as_it_would_have(
    kind: Kind, seed: int, cut: int, waits: list[int]
) -> None:
    def end(sampler: UntriedSampler, index: int) -> None:
        sampler.tell(index, measurements=[(100, math.sin(index))], ending=Ending.COMPLETED)

    whole, resumed = make(kind, FEW, seed), make(kind, FEW, seed)
    ended: list[int] = []
    asked: list[Configuration] = []
    ended_by_cut: list[int] = []
    for index in range(20):
        if index == cut:
            ended_by_cut = list(ended)
        asked.append(json.loads(json.dumps(whole.ask(index))))
        for each in range(index + 1):
            if each not in ended and each + waits[each] <= index:
                end(whole, each)
                ended.append(each)
    for index in range(cut):
        resumed.replay(index, asked[index])
    for index in ended_by_cut:
        end(resumed, index)
    assert resumed.ask(cut) == asked[cut]
    assert distinct(asked) == 20


def test_the_first_untried_configuration_is_found_even_in_a_space_with_a_million() -> None:
    parameters: dict[str, Domain] = {name: IntRange(1, 1000) for name in ("a", "b")}

    class Stuck(RandomSampler):
        def ask(self, index: int, attempt: int = 0) -> Configuration:
            return {"a": 1, "b": 1}

    sampler = UntriedSampler(Stuck(parameters, seed=0), parameters, seed=0)
    asked = [sampler.ask(index) for index in range(50)]
    assert distinct(asked) == 50
    assert len({each["a"] for each in asked}) > 30  # spread over the space


def test_enumeration_starts_at_a_random_place() -> None:
    firsts = {
        configuration_hash(next(enumerate_configurations(FEW, np.random.default_rng(seed)))) for seed in range(40)
    }
    assert len(firsts) > 10


FIRST: list[Configuration] = [{"layers": 2, "clipping": "norm"}, {"layers": 2, "between": 0.2, "clipping": "none"}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_trials_take_the_given_settings_and_draw_what_these_leave_open(kind: Kind) -> None:
    def ask() -> list[Configuration]:
        return ask_all(UntriedSampler(kind(FEW, seed=3), FEW, seed=3, first=FIRST), 20)

    asked = ask()
    assert asked == ask()
    assert {**asked[0], **FIRST[0]} == asked[0]
    assert asked[0].keys() == {"layers", "between", "clipping", "clipping.norm.threshold"}
    assert asked[1] == FIRST[1]
    assert distinct(asked) == 20


def test_a_first_setting_that_repeats_an_earlier_one_is_not_tried_again() -> None:
    sampler = UntriedSampler(RandomSampler(FEW, seed=0), FEW, seed=0, first=[FIRST[1], FIRST[1]])
    assert distinct(ask_all(sampler, 20)) == 20


def test_a_resumed_search_goes_on_after_the_first_setting_as_if_never_interrupted() -> None:
    def make_first() -> UntriedSampler:
        return UntriedSampler(TpeSampler(FEW, seed=1), FEW, seed=1, first=FIRST)

    whole = ask_all(make_first(), 15)
    resumed = make_first()
    for index, configuration in enumerate(whole[:12]):
        resumed.replay(index, configuration)
        resumed.tell(index, measurements=[(100, math.sin(index))], ending=Ending.COMPLETED)
    assert [resumed.ask(12), whole[13]] == [whole[12], whole[13]]


def test_every_first_setting_is_tried_also_if_the_first_trial_took_two_numbers() -> None:
    sampler = UntriedSampler(RandomSampler(FEW, seed=1), FEW, seed=1, first=FIRST)
    begun = sampler.ask(0)
    sampler.tell(0, measurements=[(100, 0.1)], ending=Ending.CUT_SHORT)
    sampler.replay(1, begun)  # the second plan begins it again
    assert sampler.ask(2) == FIRST[1]
