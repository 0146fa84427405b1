"""The collapse map, and the cut of the space that it suggests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from builders.trial_facts import SPACE, sampled_configurations, trial_facts
from tuner.analysis.failing_settings import collapse_map, is_left, lost_share, share_of, suggest_cuts, yaml_lines
from tuner.analysis.tried_settings import TriedSetting
from tuner.space.domains import Choice, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import read_space
from tuner.space.parameters import PARAMETERS


@pytest.fixture(scope="module")
def sampled() -> list[Mapping[str, Any]]:
    return sampled_configurations()


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    share = share_of(*counts)
    interval = stats.binomtest(*counts).proportion_ci(method="wilson")
    assert share.low == pytest.approx(interval.low, abs=1e-6)
    assert share.high == pytest.approx(interval.high, abs=1e-6)
    assert share.low <= share.value <= share.high


def test_the_share_of_no_trials_is_unknown() -> None:
    assert (share_of(0, 0).low, share_of(0, 0).high) == (0.0, 1.0)


def test_trials_that_failed_or_were_interrupted_say_nothing_of_collapse() -> None:
    trials = [trial_facts({"a": place % 2}, ending=ending) for place, ending in enumerate(
        ("collapsed", "diverged", "failed", "cut short", "interrupted", "running", "stopped"))]  # fmt: skip
    cells = collapse_map(trials)
    assert sum(cell.share.trials for cell in cells) == 3
    assert sum(cell.share.lost for cell in cells) == 2


def test_a_setting_that_collapses_is_marked_and_its_counts_are_right(sampled: list[Mapping[str, Any]]) -> None:
    trials = [trial_facts(c, ending="collapsed" if c["pooling"] == "last" else "stopped") for c in sampled]
    worse = [cell for cell in collapse_map(trials) if cell.is_worse]
    having = [c for c in sampled if c["pooling"] == "last"]
    assert [(cell.setting.name, cell.setting.values) for cell in worse] == [("pooling", ("last",))]
    assert (worse[0].share.lost, worse[0].share.trials) == (len(having), len(having))
    assert worse[0].others == lost_share([t for t in trials if t.configuration["pooling"] != "last"])


CUTS: list[tuple[Callable[[Mapping[str, Any]], bool], str]] = [
    (lambda c: c["pooling"] == "last", "pooling: [max, mean]"),
    (lambda c: c["pooling"] != "max", "pooling: max"),
    (lambda c: c["layer_norm"], "layer_norm: false"),
    (lambda c: c["clipping"] == "none",
     "clipping: [{norm: {threshold: {low: 0.1, high: 10, scale: log}}}, {value: {threshold: [0.1, 1]}}]"),
    (lambda c: c.get("clipping.value.threshold") == 1.0,
     "clipping: [none, {norm: {threshold: {low: 0.1, high: 10, scale: log}}}, {value: {threshold: 0.1}}]"),
    (lambda c: c.get("resampling.oversample.ratio") == 1.0, "resampling: [none, {oversample: {ratio: [0.25, 0.5]}}]"),
]  # fmt: skip


@pytest.mark.parametrize(("is_lost", "line"), CUTS)
def test_the_suggested_cut_leaves_out_what_collapses(
    sampled: list[Mapping[str, Any]], is_lost: Callable[[Mapping[str, Any]], bool], line: str
) -> None:
    domains = read_space(SPACE).parameters
    trials = [trial_facts(c, ending="collapsed" if is_lost(c) else "completed") for c in sampled]
    lines = yaml_lines(suggest_cuts(collapse_map(trials), domains), PARAMETERS["text"])
    assert f"  {line}" in lines.splitlines()


@pytest.mark.parametrize(
    ("name", "is_lost", "end", "near"),
    [
        ("learning_rate", lambda c: c["learning_rate"] > 0.01, "high", 0.01),
        ("learning_rate", lambda c: c["learning_rate"] < 1e-4, "low", 1e-4),
        ("dropout", lambda c: c["dropout"] > 0.45, "high", 0.45),
    ],
)
def test_the_bad_end_of_a_range_is_cut_off(
    sampled: list[Mapping[str, Any]],
    name: str,
    is_lost: Callable[[Mapping[str, Any]], bool],
    end: str,
    near: float,
) -> None:
    space = read_space(SPACE)
    trials = [trial_facts(c, ending="diverged" if is_lost(c) else "completed") for c in sampled]
    cuts = suggest_cuts(collapse_map(trials, logarithmic=frozenset({"learning_rate"})), space.parameters)
    before, after = space.parameters[name], cuts[name]
    other = "low" if end == "high" else "high"
    assert getattr(after, end) == pytest.approx(near, rel=0.5)
    assert getattr(after, other) == getattr(before, other)


def test_a_range_in_steps_stays_on_its_steps(sampled: list[Mapping[str, Any]]) -> None:
    space = read_space(SPACE)
    trials = [trial_facts(c, ending="collapsed" if c["hidden"] >= 224 else "stopped") for c in sampled]
    after = suggest_cuts(collapse_map(trials), space.parameters)["hidden"]
    assert (after.low, after.step, after.high) == (32, 32, 192)  # type: ignore[union-attr]


def test_a_conditional_parameter_is_cut(sampled: list[Mapping[str, Any]]) -> None:
    space = read_space(SPACE)
    trials = [trial_facts(c, ending="collapsed" if c.get("layer_dropout", 0) > 0.25 else "stopped") for c in sampled]
    lines = yaml_lines(suggest_cuts(collapse_map(trials), space.parameters), PARAMETERS["text"])
    assert "  layer_dropout: {low: 0, high: 0.2" in lines


@pytest.mark.parametrize("seed", range(4))
def test_suggested_lines_can_be_pasted_into_the_space(sampled: list[Mapping[str, Any]], seed: int) -> None:
    space = read_space(SPACE)
    rule = CUTS[seed][0]
    trials = [
        trial_facts(c, ending="collapsed" if rule(c) or c["learning_rate"] > 0.02 else "stopped") for c in sampled
    ]
    cuts = suggest_cuts(collapse_map(trials), space.parameters)
    kept = [line for line in SPACE.splitlines() if line.split(":")[0].strip() not in cuts]
    pasted = "\n".join([*kept, *yaml_lines(cuts, PARAMETERS["text"]).splitlines()[1:]])
    loaded = read_space(pasted).parameters
    assert {name: loaded[name] for name in cuts} == cuts
    assert {name: loaded[name] for name in loaded if name not in cuts} == {
        name: domain for name, domain in space.parameters.items() if name not in cuts
    }


def test_no_cut_is_suggested_if_nothing_collapses(sampled: list[Mapping[str, Any]]) -> None:
    cells = collapse_map([trial_facts(configuration) for configuration in sampled])
    assert suggest_cuts(cells, read_space(SPACE).parameters) == {}


def test_a_parameter_keeps_a_setting_even_if_all_are_bad() -> None:
    trials = [trial_facts({"a": value}, ending="collapsed") for value in ("x", "y") for _ in range(20)]
    assert not any(cell.is_worse for cell in collapse_map(trials))


@pytest.mark.parametrize(
    ("values", "low", "high", "domain", "is_there"),
    [
        (("none",), None, None, OptionChoice((("norm", {}),)), False),
        (("norm",), None, None, OptionChoice((("norm", {}),)), True),
        ((), 0.01, 0.1, FloatRange(1e-4, 0.01, True), False),
        ((), 0.001, 0.005, FloatRange(1e-4, 0.01, True), True),  # between good ranges, so it stays
        ((3,), None, None, Choice((1, 2)), False),
        ((2,), None, None, Fixed(2), True),
        ((64,), None, None, IntRange(32, 48), False),
        ((), 0.2, 0.4, Choice((0.1, 0.3)), True),
    ],
)
def test_a_cut_leaves_a_setting_in_or_takes_it_out(
    values: tuple[Any, ...], low: float | None, high: float | None, domain: Domain, is_there: bool
) -> None:
    setting = TriedSetting(name="a", shown="", values=values, low=low, high=high, trials=())
    assert is_left(setting, {"a": domain}) is is_there
