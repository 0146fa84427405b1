"""Configurations are drawn from domains: complete, within bounds and reproducible. TPE learns from measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.samplers import tpe_history
from tuner.samplers.base import Sampler, make_sampler
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TpeSampler
from tuner.space.configuration import Configuration, configuration_hash
from tuner.space.domains import Choice, Conditional, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import load_space, shipped_spaces
from tuner.space.options import Need
from tuner.trial.ending import Ending

NESTED: Mapping[str, Domain] = {
    "a": OptionChoice(
        (
            ("none", {}),
            ("some", {"b": OptionChoice((("x", {"c": FloatRange(0.0, 1.0)}), ("y", {}))), "d": Fixed(7)}),
        )
    )
}

finite = st.floats(1e-6, 1e6)
numbers = st.one_of(
    st.integers(-5, 5).map(Fixed),
    st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(lambda values: Choice(tuple(values))),
    st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()).map(
        lambda drawn: IntRange(drawn[0], drawn[0] + drawn[1], is_log=drawn[2])
    ),
    st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 9)).map(
        lambda drawn: IntRange(drawn[0], drawn[0] + drawn[1] * drawn[2], step=drawn[1])
    ),
    st.tuples(finite, finite, st.booleans()).map(
        lambda drawn: FloatRange(min(drawn[:2]), max(drawn[:2]), is_log=drawn[2])
    ),
)
names = st.sampled_from(["p", "q", "r", "s"])
domains = st.recursive(
    numbers,
    lambda each: st.dictionaries(names, st.dictionaries(names, each, max_size=3), min_size=1, max_size=3).map(
        lambda options: OptionChoice(tuple(options.items()))
    ),
    max_leaves=8,
)
spaces = st.dictionaries(names, domains, max_size=4)


def check(configuration: Configuration, parameters: Mapping[str, Domain]) -> None:
    """Fail unless the configuration has every parameter that applies, within its domain, and no other."""
    expected: set[str] = set()

    def visit(parameters: Mapping[str, Domain], prefix: str) -> None:
        for name, domain in parameters.items():
            path = prefix + name
            if isinstance(domain, Conditional):
                if float(configuration[prefix + domain.need.name]) < domain.need.least:
                    continue
                domain = domain.domain
            expected.add(path)
            value = configuration[path]
            if isinstance(domain, OptionChoice):
                visit(dict(domain.options)[str(value)], f"{path}.{value}.")
            elif isinstance(domain, Fixed):
                assert value == domain.value
            elif isinstance(domain, Choice):
                assert value in domain.values
            else:
                assert domain.low <= float(value) <= domain.high
                assert type(value) is (int if isinstance(domain, IntRange) else float)
                if isinstance(domain, IntRange):
                    assert (int(value) - domain.low) % domain.step == 0

    visit(parameters, "")
    assert set(configuration) == expected


@settings(deadline=None)
@given(spaces, st.integers(0, 2**32 - 1), st.integers(0, 10_000))
def test_a_random_configuration_is_complete_and_within_its_domains(
    parameters: Mapping[str, Domain], seed: int, index: int
) -> None:
    check(RandomSampler(parameters, seed=seed).ask(index), parameters)


@settings(max_examples=20, deadline=None)
@given(spaces, st.integers(0, 2**32 - 1))
def test_a_tpe_configuration_is_complete_and_within_its_domains(parameters: Mapping[str, Domain], seed: int) -> None:
    sampler = TpeSampler(parameters, seed=seed)
    for index in range(14):
        check(sampler.ask(index), parameters)
        sampler.tell(index, measurements=[(100, index / 10)], ending=Ending.COMPLETED)


@pytest.mark.parametrize("name", sorted(shipped_spaces()))
def test_configurations_of_a_shipped_space_are_complete_and_within_its_domains(name: str) -> None:
    parameters = load_space(name).parameters
    tpe = TpeSampler(parameters, seed=0)
    for index in range(14):
        check(RandomSampler(parameters, seed=0).ask(index), parameters)
        check(tpe.ask(index), parameters)
        tpe.tell(index, measurements=[(100, index / 10)], ending=Ending.COMPLETED)


NEEDY: Mapping[str, Domain] = {
    "layers": IntRange(1, 3),
    "between": Conditional(Need(name="layers", least=2), FloatRange(0.0, 1.0)),
}


@pytest.mark.parametrize("kind", [RandomSampler, TpeSampler])
def test_a_parameter_with_a_condition_is_present_exactly_if_it_is_met(
    kind: type[RandomSampler] | type[TpeSampler],
) -> None:
    sampler = kind(NEEDY, seed=0)
    drawn = []
    for index in range(30):
        drawn.append(sampler.ask(index))
        sampler.tell(index, measurements=[(100, float(np.sin(index)))], ending=Ending.COMPLETED)
    assert {(each["layers"], "between" in each) for each in drawn} == {(1, False), (2, True), (3, True)}


def test_own_parameters_are_present_only_with_their_option() -> None:
    drawn = {tuple(sorted(RandomSampler(NESTED, seed=0).ask(index))) for index in range(50)}
    assert drawn == {("a",), ("a", "a.some.b", "a.some.d"), ("a", "a.some.b", "a.some.b.x.c", "a.some.d")}


def test_a_random_configuration_depends_on_seed_and_index_only() -> None:
    space = load_space("multilabel").parameters
    forwards = [RandomSampler(space, seed=3).ask(index) for index in range(5)]
    sampler = RandomSampler(space, seed=3)
    backwards = [sampler.ask(index) for index in reversed(range(5))]
    assert forwards == backwards[::-1]
    assert len({configuration_hash(each) for each in forwards}) == 5
    assert RandomSampler(space, seed=4).ask(0) != forwards[0]


def test_tpe_with_a_seed_repeats_itself() -> None:
    def run() -> list[Configuration]:
        sampler = TpeSampler(load_space("multilabel").parameters, seed=5)
        asked = []
        for index in range(15):
            asked.append(sampler.ask(index))
            sampler.tell(index, measurements=[(100, float(np.sin(index)))], ending=Ending.COMPLETED)
        return asked

    assert run() == run()


def outcome_of(index: int) -> tuple[list[tuple[int, float]], Ending]:
    """Return how trial `index` went: every fourth is stopped, every tenth fails."""
    ending = Ending.FAILED if index % 10 == 9 else Ending.STOPPED if index % 4 == 3 else Ending.COMPLETED
    return [(100, float(np.sin(index))), (200, float(np.cos(index)))], ending


@settings(max_examples=25, deadline=None)
@given(spaces, st.integers(0, 2**32 - 1), st.lists(st.integers(0, 5), min_size=24, max_size=24))
def test_tpe_continues_after_a_replay_as_it_would_have(
    parameters: Mapping[str, Domain], seed: int, waits: list[int]
) -> None:
    """Trials end in another order than they began, some are still running, and configurations went through JSON.

    TPE sees only some of them, as in a search of many trials.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, few in (("BEST", 4), ("DRAWN", 8), ("RUNNING", 2)):
            patch.setattr(tpe_history, name, few)
        check_replay(parameters, seed, waits)


def check_replay(parameters: Mapping[str, Domain], seed: int, waits: list[int]) -> None:
    whole = TpeSampler(parameters, seed=seed)
    asked = []
    ends = sorted(range(20), key=lambda index: index + waits[index])
    for index in range(24):
        asked.append(json.loads(json.dumps(whole.ask(index))))
        while ends and ends[0] + waits[ends[0]] <= index:
            measurements, ending = outcome_of(ends[0])
            whole.tell(ends.pop(0), measurements=measurements, ending=ending)
    resumed = TpeSampler(parameters, seed=seed)
    for index in range(23):
        resumed.replay(index, asked[index])
    ended = sorted((index + waits[index], index) for index in range(20) if index + waits[index] <= 22)
    for _, index in ended:
        measurements, ending = outcome_of(index)
        resumed.tell(index, measurements=measurements, ending=ending)
    assert resumed.ask(23) == asked[23]


def test_whole_numbers_on_a_linear_scale_are_equally_likely() -> None:
    sampler = RandomSampler({"n": IntRange(1, 4)}, seed=0)
    counts = np.bincount([int(sampler.ask(index)["n"]) for index in range(4000)], minlength=5)[1:]
    assert counts.min() > 850
    assert counts.max() < 1150


def test_a_log_scale_gives_each_factor_the_same_share() -> None:
    sampler = RandomSampler({"r": FloatRange(1e-4, 1e-2, is_log=True)}, seed=0)
    below = np.mean([float(sampler.ask(index)["r"]) < 1e-3 for index in range(4000)])
    assert 0.46 < below < 0.54


def test_real_steps_are_decimal() -> None:
    sampler = RandomSampler({"r": FloatRange(0.1, 0.7, step=0.1)}, seed=0)
    assert {sampler.ask(index)["r"] for index in range(100)} == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert configuration_hash({"a": 1, "b": 2.0}) == configuration_hash({"b": 2.0, "a": 1})
    assert configuration_hash({"a": 1, "b": 2.0}) != configuration_hash({"a": 1, "b": 2.5})
    assert len(configuration_hash({"a": 1})) == 12


def test_a_configurations_hash_stays_the_same_over_releases() -> None:
    # Trials are found again by it: a change would orphan the checkpoints of every run.
    assert configuration_hash({"hidden": 64, "clipping": "norm", "clipping.norm.threshold": 1.0}) == "44da34d0108c"


HARD: Mapping[str, Domain] = {
    "x": FloatRange(0.0, 1.0),
    "n": IntRange(16, 256, is_log=True),
    "k": OptionChoice((("p", {"y": FloatRange(0.0, 1.0)}), ("q", {}), ("r", {}))),
}


def hard_score(configuration: Configuration) -> float:
    """Return a score of at most 0, reached at x = 0.8, n = 64, k = p, y = 0.2."""
    miss = abs(float(configuration["x"]) - 0.8) + abs(np.log2(float(configuration["n"]) / 64)) / 4
    return -float(miss + (abs(float(configuration["k.p.y"]) - 0.2) if configuration["k"] == "p" else 1.0))


def best_of(sampler: Sampler, tell: Callable[[int, float], None]) -> float:
    best = -np.inf
    for index in range(80):
        score = hard_score(sampler.ask(index))
        tell(index, score)
        best = max(best, score)
    return float(best)


def test_tpe_learns_from_completed_and_stopped_trials() -> None:
    gains = []
    for seed in range(5):
        tpe = TpeSampler(HARD, seed=seed)

        def tell(index: int, score: float, tpe: TpeSampler = tpe) -> None:
            # The upper half runs to the end, the lower is stopped after its first report.
            measurements = [(100, score), (600, score)] if score > -0.8 else [(100, score)]
            tpe.tell(index, measurements=measurements, ending=Ending.COMPLETED if score > -0.8 else Ending.STOPPED)

        gains.append(best_of(tpe, tell) - best_of(RandomSampler(HARD, seed=seed), lambda index, score: None))
    assert np.mean(gains) > 0.03


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("measurements", [[], [(100, 0.5)], [(100, 0.5), (200, float("nan"))], [(100, float("-inf"))]])
def test_tpe_accepts_every_ending_with_any_measurements(ending: Ending, measurements: list[tuple[int, float]]) -> None:
    sampler = TpeSampler(NESTED, seed=0)
    for index in range(12):
        sampler.ask(index)
        sampler.tell(index, measurements=measurements, ending=ending)


def held_by_optuna(measurements: list[tuple[int, float]], ending: Ending) -> tuple[str, float | None, dict[int, float]]:
    """Return what Optuna's study holds about one trial."""
    sampler = TpeSampler({"x": FloatRange(0.0, 1.0)}, seed=0)
    sampler.ask(0)
    sampler.tell(0, measurements=measurements, ending=ending)
    (trial,) = sampler.history.study().trials
    return trial.state.name, trial.values[0] if trial.state.name == "COMPLETE" else None, trial.intermediate_values


def test_tpe_learns_the_best_score_of_a_completed_trial() -> None:
    assert held_by_optuna([(100, 0.7), (200, 0.4)], Ending.COMPLETED) == ("COMPLETE", 0.7, {})


@pytest.mark.parametrize("ending", [Ending.COMPLETED, Ending.STOPPED, Ending.CUT_SHORT])
def test_tpe_learns_the_best_score_of_a_fit_trial_with_any_ending(ending: Ending) -> None:
    measurements = [(100, 0.7), (200, 0.4), (300, float("nan"))]
    assert held_by_optuna(measurements, ending) == ("COMPLETE", 0.7, {})


@pytest.mark.parametrize("ending", [Ending.COLLAPSED, Ending.DIVERGED])
def test_tpe_ranks_an_unfit_trial_below_fit_ones_by_how_far_it_came(ending: Ending) -> None:
    measurements = [(100, 0.7), (200, 0.4), (300, float("nan"))]
    assert held_by_optuna(measurements, ending) == ("PRUNED", None, {200: 0.7})


@pytest.mark.parametrize("ending", [Ending.COMPLETED, Ending.COLLAPSED, Ending.DIVERGED])
def test_tpe_avoids_duds_that_come_further_than_trials_stopped_at_a_rung(ending: Ending) -> None:
    """From 0.5 on trials are duds that end late, as by search.patience. Below, they score more, but a rung stops them."""
    duds = []
    for seed in range(4):
        sampler = TpeSampler({"x": FloatRange(0.0, 1.0)}, seed=seed)
        for index in range(60):
            x = float(sampler.ask(index)["x"])
            duds.append(x >= 0.5 and index >= 30)
            if x < 0.5:
                sampler.tell(index, measurements=[(100, 0.5 - abs(x - 0.2))], ending=Ending.STOPPED)
            else:
                sampler.tell(index, measurements=[(100, 0.05), (300, 0.05)], ending=ending)
    assert sum(duds) / (4 * 30) < 0.3


def test_a_trial_that_diverged_before_any_score_is_not_forgotten() -> None:
    assert held_by_optuna([(100, float("nan"))], Ending.DIVERGED) == ("PRUNED", None, {})


def test_tpe_avoids_regions_where_trials_diverge() -> None:
    """Higher is better, but from 0.5 on trials diverge. If they counted as failed, TPE would not avoid them."""

    def share_diverged(ending: Ending) -> float:
        diverged = []
        for seed in range(4):
            sampler = TpeSampler({"x": FloatRange(0.0, 1.0)}, seed=seed)
            for index in range(60):
                x = float(sampler.ask(index)["x"])
                diverged.append(x >= 0.5 and index >= 30)
                sampler.tell(
                    index, measurements=[(100, x)] if x < 0.5 else [], ending=Ending.COMPLETED if x < 0.5 else ending
                )
        return sum(diverged) / (4 * 30)

    assert share_diverged(Ending.DIVERGED) < 0.7 * share_diverged(Ending.FAILED)


def test_tpe_prints_nothing_and_does_not_warn() -> None:
    # In a process of its own, since Optuna's log goes to the stream that stood when it was imported.
    script = (
        "from tuner.space.domains import FloatRange\n"
        "from tuner.samplers.tpe import TpeSampler\n"
        "from tuner.trial.ending import Ending\n"
        "sampler = TpeSampler({'x': FloatRange(0.0, 1.0)}, seed=0)\n"
        "endings = [Ending.COMPLETED, Ending.STOPPED, Ending.FAILED]\n"
        "for index in range(15):\n"
        "    sampler.ask(index)\n"
        "    sampler.tell(index, measurements=[(100, 0.1)], ending=endings[index % 3])\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_trial_that_was_never_asked_for_cannot_be_told() -> None:
    with pytest.raises(KeyError, match="7"):
        TpeSampler(NESTED, seed=0).tell(7, measurements=[], ending=Ending.FAILED)


@pytest.mark.parametrize(("algorithm", "kind"), [("tpe", TpeSampler), ("random", RandomSampler)])
def test_the_space_chooses_the_sampler(algorithm: str, kind: type[RandomSampler] | type[TpeSampler]) -> None:
    space = load_space("binary", [f"search.algorithm={algorithm}", "search.seed=4", "first=null"])
    assert make_sampler(space).ask(0) == kind(space.parameters, seed=4).ask(0)


@pytest.mark.parametrize("name", sorted(set(shipped_spaces()) - {"collapse"}))
def test_a_shipped_space_begins_with_the_settings_that_it_names(name: str) -> None:
    space = load_space(name)
    sampler = make_sampler(space)
    assert space.first
    for index, first in enumerate(space.first):
        assert first.items() <= sampler.ask(index).items()
