"""What a page tells of hyperparameters: importance, slices, collapse by setting, and the cut that it suggests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuner.analysis.failing_settings import collapse_map, lost_share, share_of, suggest_cuts, yaml_lines
from tuner.analysis.importance import FEWEST_TRIALS, importances
from tuner.analysis.settings import condition, settings_of, varied
from tuner.analysis.trials import TrialFacts
from tuner.pruners.rung_levels import rung_epochs
from tuner.report.sections.coordinates import parallel_coordinates
from tuner.report.sections.parameters import mean_interval
from tuner.samplers.random import RandomSampler
from tuner.space.load import load_space
from tuner.space.parameters import PARAMETERS

SPACE = """\
task: multilabel
data: {train: a.parquet, text: text, labels: labels}
search: {trials: 10}
space:
  learning_rate: {low: 1e-5, high: 1e-1, scale: log}
  hidden: {low: 32, high: 256, step: 32}
  dropout: {low: 0.0, high: 0.6}
  layers: [1, 2]
  layer_dropout: {low: 0.0, high: 0.5}
  pooling: [max, mean, last]
  layer_norm: [true, false]
  clipping: [none, {norm: {threshold: {low: 0.1, high: 10, scale: log}}}, {value: {threshold: [0.1, 1]}}]
  resampling: [none, {oversample: {ratio: [0.25, 0.5, 1.0]}}]
"""
_NUMBERS = itertools.count()


def facts(configuration: Mapping[str, Any], *, score: float | None = 0.5, ending: str = "completed") -> TrialFacts:
    return TrialFacts(
        number=next(_NUMBERS),
        phase="search",
        parent=None,
        ending=ending,
        reason="",
        score=score,
        configuration=configuration,
        epochs=1.0,
        train_seconds=1.0,
        ended_s=1.0,
    )


@pytest.fixture(scope="module")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def sampled(space_file: Path) -> list[Mapping[str, Any]]:
    sampler = RandomSampler(load_space(str(space_file)).parameters, seed=1)
    return [sampler.ask(number) for number in range(240)]


def scored(sampled: list[Mapping[str, Any]], score: Callable[[Mapping[str, Any]], float]) -> list[TrialFacts]:
    generator = np.random.default_rng(0)
    return [facts(configuration, score=score(configuration) + generator.normal(0, 0.02)) for configuration in sampled]


def test_a_parameter_that_matters_by_construction_is_the_most_important(sampled: list[Mapping[str, Any]]) -> None:
    trials = scored(sampled, lambda c: 0.5 * c["dropout"] + 0.02 * (c["pooling"] == "max"))
    found = importances(trials[:120])
    assert found[0].name == "dropout"
    assert found[0].low > max(each.high for each in found[1:])
    assert 0.5 < found[0].value <= 1


def test_a_name_that_matters_by_construction_is_the_most_important(sampled: list[Mapping[str, Any]]) -> None:
    trials = scored(sampled, lambda c: 0.3 * (c["pooling"] == "last"))
    assert importances(trials[:120])[0].name == "pooling"


def test_a_parameter_that_matters_only_where_it_is_in_force_comes_first_among_those(
    sampled: list[Mapping[str, Any]],
) -> None:
    trials = scored(sampled, lambda c: 0.2 * np.log10(c.get("clipping.norm.threshold", 1.0)))
    found = importances(trials, logarithmic=frozenset({"clipping.norm.threshold"}))
    conditional = [each for each in found if each.condition == "where clipping is norm"]
    having = sum("clipping.norm.threshold" in configuration for configuration in sampled)
    assert max((each for each in found if each.condition), key=lambda each: each.value) == conditional[0]
    assert (conditional[0].name, conditional[0].trials) == ("clipping.norm.threshold", having)
    assert conditional[0].value > 0.5


def test_parameters_explain_next_to_nothing_of_scores_that_are_noise(sampled: list[Mapping[str, Any]]) -> None:
    assert max(each.value for each in importances(scored(sampled, lambda c: 0.0)[:120])) < 0.05


def test_too_few_trials_are_not_weighed(sampled: list[Mapping[str, Any]]) -> None:
    assert importances(scored(sampled, lambda c: c["dropout"])[: FEWEST_TRIALS - 1]) == ()


def test_scores_that_are_all_the_same_leave_nothing_to_explain(sampled: list[Mapping[str, Any]]) -> None:
    found = importances([facts(configuration) for configuration in sampled[:40]])
    assert {each.value for each in found} <= {0.0}


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    share = share_of(*counts)
    told = stats.binomtest(*counts).proportion_ci(method="wilson")
    assert share.low == pytest.approx(told.low, abs=1e-6)
    assert share.high == pytest.approx(told.high, abs=1e-6)
    assert share.low <= share.value <= share.high


def test_the_share_of_no_trials_is_unknown() -> None:
    assert (share_of(0, 0).low, share_of(0, 0).high) == (0.0, 1.0)


def test_trials_that_failed_or_were_interrupted_say_nothing_of_collapse() -> None:
    trials = [facts({"a": place % 2}, ending=ending) for place, ending in enumerate(
        ("collapsed", "diverged", "failed", "interrupted", "running", "stopped"))]  # fmt: skip
    cells = collapse_map(trials)
    assert sum(cell.share.trials for cell in cells) == 3
    assert sum(cell.share.lost for cell in cells) == 2


def test_a_setting_that_collapses_is_marked_and_its_counts_are_right(sampled: list[Mapping[str, Any]]) -> None:
    trials = [facts(c, ending="collapsed" if c["pooling"] == "last" else "stopped") for c in sampled]
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
     "clipping: [{norm: {threshold: {low: 0.1, high: 10.0, scale: log}}}, {value: {threshold: [0.1, 1.0]}}]"),
    (lambda c: c.get("clipping.value.threshold") == 1.0,
     "clipping: [none, {norm: {threshold: {low: 0.1, high: 10.0, scale: log}}}, {value: {threshold: 0.1}}]"),
    (lambda c: c.get("resampling.oversample.ratio") == 1.0, "resampling: [none, {oversample: {ratio: [0.25, 0.5]}}]"),
]  # fmt: skip


@pytest.mark.parametrize(("is_lost", "line"), CUTS)
def test_the_suggested_cut_leaves_out_what_collapses(
    space_file: Path, sampled: list[Mapping[str, Any]], is_lost: Callable[[Mapping[str, Any]], bool], line: str
) -> None:
    domains = load_space(str(space_file)).parameters
    trials = [facts(c, ending="collapsed" if is_lost(c) else "completed") for c in sampled]
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
def test_of_a_range_the_bad_end_is_cut_off(
    space_file: Path,
    sampled: list[Mapping[str, Any]],
    name: str,
    is_lost: Callable[[Mapping[str, Any]], bool],
    end: str,
    near: float,
) -> None:
    space = load_space(str(space_file))
    trials = [facts(c, ending="diverged" if is_lost(c) else "completed") for c in sampled]
    cuts = suggest_cuts(collapse_map(trials, logarithmic=frozenset({"learning_rate"})), space.parameters)
    before, after = space.parameters[name], cuts[name]
    other = "low" if end == "high" else "high"
    assert getattr(after, end) == pytest.approx(near, rel=0.5)
    assert getattr(after, other) == getattr(before, other)


def test_a_range_in_steps_stays_on_its_steps(space_file: Path, sampled: list[Mapping[str, Any]]) -> None:
    space = load_space(str(space_file))
    trials = [facts(c, ending="collapsed" if c["hidden"] >= 224 else "stopped") for c in sampled]
    after = suggest_cuts(collapse_map(trials), space.parameters)["hidden"]
    assert (after.low, after.step, after.high) == (32, 32, 192)  # type: ignore[union-attr]


def test_a_parameter_under_a_condition_is_cut_under_it(space_file: Path, sampled: list[Mapping[str, Any]]) -> None:
    space = load_space(str(space_file))
    trials = [facts(c, ending="collapsed" if c.get("layer_dropout", 0) > 0.25 else "stopped") for c in sampled]
    lines = yaml_lines(suggest_cuts(collapse_map(trials), space.parameters), PARAMETERS["text"])
    assert "  layer_dropout: {low: 0.0, high: 0.2" in lines


@pytest.mark.parametrize("seed", range(4))
def test_suggested_lines_can_be_pasted_into_the_space(
    tmp_path: Path, space_file: Path, sampled: list[Mapping[str, Any]], seed: int
) -> None:
    space = load_space(str(space_file))
    rule = CUTS[seed][0]
    trials = [facts(c, ending="collapsed" if rule(c) or c["learning_rate"] > 0.02 else "stopped") for c in sampled]
    cuts = suggest_cuts(collapse_map(trials), space.parameters)
    kept = [line for line in SPACE.splitlines() if line.split(":")[0].strip() not in cuts]
    pasted = tmp_path / "pasted.yaml"
    pasted.write_text("\n".join([*kept, *yaml_lines(cuts, PARAMETERS["text"]).splitlines()[1:]]))
    loaded = load_space(str(pasted)).parameters
    assert {name: loaded[name] for name in cuts} == cuts
    assert {name: loaded[name] for name in loaded if name not in cuts} == {
        name: domain for name, domain in space.parameters.items() if name not in cuts
    }


def test_where_nothing_collapses_no_cut_is_suggested(space_file: Path, sampled: list[Mapping[str, Any]]) -> None:
    cells = collapse_map([facts(configuration) for configuration in sampled])
    assert suggest_cuts(cells, load_space(str(space_file)).parameters) == {}


def test_a_parameter_keeps_a_setting_where_all_are_bad() -> None:
    trials = [facts({"a": value}, ending="collapsed") for value in ("x", "y") for _ in range(20)]
    assert not any(cell.is_worse for cell in collapse_map(trials))


def test_settings_of_a_range_hold_every_trial_once_and_their_borders_hold(sampled: list[Mapping[str, Any]]) -> None:
    trials = [facts(configuration) for configuration in sampled]
    settings = settings_of("learning_rate", trials, is_log=True)
    assert sorted(id(t) for s in settings for t in s.trials) == sorted(map(id, trials))
    for setting in settings:
        assert setting.low is not None
        assert setting.high is not None
        values = [trial.configuration["learning_rate"] for trial in setting.trials]
        assert setting.low <= min(values)
        assert max(values) <= setting.high
    assert [s.high for s in settings[:-1]] == [s.low for s in settings[1:]]


def test_conditions_are_told_as_a_person_would(sampled: list[Mapping[str, Any]]) -> None:
    trials = [facts(configuration) for configuration in sampled]
    assert condition("hidden", trials) == ""
    assert condition("clipping.norm.threshold", trials) == "where clipping is norm"
    assert condition("layer_dropout", trials) == "where it is in force"
    assert "max_length" not in varied(trials)


def test_a_parameter_that_is_not_in_force_has_a_place_below_its_axis(sampled: list[Mapping[str, Any]]) -> None:
    trials = scored(sampled, lambda c: c["dropout"])[:60]
    plot = parallel_coordinates(trials, ["dropout", "clipping.norm.threshold"], frozenset())
    absent = sum("clipping.norm.threshold" not in trial.configuration for trial in trials)
    placed = [(x, y) for trace in plot.data for x, y in zip(trace["x"], trace["y"], strict=True) if x is not None]
    assert sum(x == 1 and y < 0 for x, y in placed) == absent
    assert all(0 <= y <= 1 for x, y in placed if x != 1)


def test_the_interval_of_a_mean_is_students() -> None:
    scores = [0.2, 0.4, 0.45, 0.6]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(scores), scale=stats.sem(scores))
    assert mean_interval(scores) == pytest.approx((np.mean(scores), low, high))
    assert mean_interval([0.3]) == (0.3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("grace", "factor", "budget"), [(1, 3, 9), (1, 3, 10), (0.5, 2, 8), (1, 4, 4), (2, 3, 2), (1, 10, 1000)]
)
def test_rungs_stand_where_the_scheduler_has_them(grace: float, factor: float, budget: float) -> None:
    from ray.tune.schedulers import AsyncHyperBandScheduler

    rows = 1000
    scheduler = AsyncHyperBandScheduler(
        time_attr="examples",
        metric="score",
        mode="max",
        grace_period=round(grace * rows),
        max_t=round(budget * rows),
        reduction_factor=factor,
    )
    milestones = sorted(rung[0] / rows for rung in scheduler._brackets[0]._rungs)
    found = rung_epochs(grace_epochs=grace, reduction_factor=factor, max_epochs=budget)
    assert list(found) == pytest.approx([each for each in milestones if each < budget * (1 - 1e-9)])
