"""Advice: it brings something that is not there, a space accepts it, and it fits what really ended the training."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.evidence import CONFIGURATION, HEALTHY, MADE, NEVER, WEAK, decisions, label, training, weak_with
from tuner.diagnosis.causes.advice import advice_by_cause, advice_lines
from tuner.diagnosis.causes.cause import Cause
from tuner.diagnosis.causes.diagnose import diagnose
from tuner.diagnosis.causes.known_settings import KnownSettings
from tuner.diagnosis.facts.evidence import EndedBy, Evidence, Origin
from tuner.samplers.random import RandomSampler
from tuner.space.domains import FloatRange
from tuner.space.load import Space, load_space, read_space
from tuner.space.task import Task

ORIGIN = Origin(
    run_again=("tuner", "run", "my mail.yaml", "--set", "space.layers=2"),
    search_longer="tuner resume runs/first --set search.time=20m",
)
SPACE = """\
task: {task}
data: {{train: rows, {inputs}: {inputs}, {labels}}}
search: {{time: 4m, max_epochs: 6}}
space: {{{space}}}
"""
LABELS = {"binary": "label: label", "multiclass": "label: label", "multilabel": "labels: labels"}
TASKS: tuple[Task, ...] = get_args(Task)


def make_space(task: str = "multilabel", inputs: str = "text", **space: str) -> Space:
    written = ", ".join(f"{name}: {value}" for name, value in space.items())
    return read_space(SPACE.format(task=task, inputs=inputs, labels=LABELS[task], space=written))


def within(evidence: Evidence, space: Space, **chosen: Any) -> Evidence:
    """Return the evidence as that of a model from a space: its own configuration, and the space's defaults."""
    drawn = RandomSampler(space.parameters, seed=0).ask(0)
    kept = {name: value for name, value in (evidence.configuration or {}).items() if name in drawn}
    return replace(evidence, space=space, configuration={**drawn, **kept, **chosen}, origin=ORIGIN, task=space.task)


def assignments(cause: Cause) -> list[str]:
    return shlex.split(cause.setting)[1::2]


def first(evidence: Evidence) -> Cause:
    return diagnose(evidence).causes[0]


@pytest.mark.parametrize("inputs", ["text", "sequence"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", MADE)
def test_the_advice_for_every_cause_loads_for_every_task_and_inputs(name: str, task: Task, inputs: str) -> None:
    space = make_space(task, inputs)
    for cause in diagnose(within(MADE[name], space)).causes:
        read_space(space.text, assignments(cause))  # raises SpaceError for an invalid one
        assert cause.advice


@pytest.mark.parametrize("shipped", ["binary", "multiclass", "multilabel", "sequence", "collapse", "thorough"])
@pytest.mark.parametrize("name", MADE)
def test_the_advice_for_every_cause_loads_in_shipped_spaces(name: str, shipped: str) -> None:
    space = load_space(shipped)
    for cause in diagnose(within(MADE[name], space)).causes:
        load_space(shipped, assignments(cause))


@given(data=st.data(), shipped=st.sampled_from(["binary", "multiclass", "multilabel", "sequence", "thorough"]))
@settings(max_examples=60, deadline=None)
def test_no_advice_equals_or_narrows_what_the_space_has(data: st.DataObject, shipped: str) -> None:
    space = load_space(shipped)
    drawn = RandomSampler(space.parameters, seed=data.draw(st.integers(0, 999))).ask(0)
    name = data.draw(st.sampled_from(list(MADE)))
    evidence = replace(MADE[name], space=space, configuration=drawn, origin=ORIGIN, task=space.task)
    for cause in diagnose(evidence).causes:
        for assignment in assignments(cause):
            advised = read_space(space.text, [assignment])
            key = assignment.partition("=")[0]
            parameter = key.partition(".")[2]
            if key.startswith("space."):
                before, after = space.parameters[parameter], advised.parameters[parameter]
                assert after != before
                if isinstance(before, FloatRange) and isinstance(after, FloatRange):
                    assert after.low < before.low or after.high > before.high
            else:
                section = key.partition(".")[0]
                assert getattr(getattr(advised, section), parameter) != getattr(getattr(space, section), parameter)


@given(epochs=st.floats(0.05, 40), budget=st.integers(1, 40), steps=st.integers(1, 99))
def test_more_epochs_are_more_than_the_budget_and_a_round_number(epochs: float, budget: int, steps: int) -> None:
    facts = weak_with(steps=steps, epochs=min(epochs, budget), measurements=1, late_rise=None, ended_by="budget")
    cause = first(replace(facts, max_epochs=float(budget)))
    assert cause.name == "too_short"
    number = cause.setting.removeprefix("--set search.max_epochs=")
    assert number.isdecimal()
    assert int(number) >= 2 * budget


@pytest.mark.parametrize("epochs", [1.53, 0.51, 1.03])
def test_if_the_clock_ended_the_training_the_advice_is_more_time_and_not_more_epochs(epochs: float) -> None:
    evidence = weak_with(steps=40, epochs=epochs, measurements=1, late_rise=None, ended_by="clock")
    cause = first(replace(evidence, origin=ORIGIN))
    assert (cause.name, cause.setting, cause.command) == ("too_short", "", ORIGIN.search_longer)
    assert f"({epochs} of 6 epochs, when the time of the search was over)" in cause.sentence


@pytest.mark.parametrize(
    ("ended_by", "setting"),
    [
        ("budget", "--set search.max_epochs=120 --set search.time=16m"),
        ("patience", "--set search.patience=6"),
        ("rung", "--set search.grace_epochs=2"),
        ("gate", "--set search.grace_epochs=2"),
        ("clock", ""),
        ("interruption", ""),
        (None, "--set space.batch_size=32"),
    ],
)
def test_what_ended_a_short_training_decides_what_to_give_more_of(ended_by: EndedBy | None, setting: str) -> None:
    space = read_space(make_space().text, ["search.patience=3"])
    evidence = weak_with(steps=20, epochs=6.0 if ended_by == "budget" else 1.0, late_rise=None, ended_by=ended_by)
    assert first(within(evidence, space)).setting == setting


def test_if_the_space_has_the_settings_that_help_the_advice_is_to_search_longer() -> None:
    space = make_space(learning_rate="{low: 1e-5, high: 1, scale: log}")
    evidence = within(MADE["learning_rate_too_high"], space, learning_rate=0.5, schedule="warm_up")
    wide = replace(evidence, space=read_space(space.text, ["space.schedule=[constant, warm_up, one_cycle]"]))
    cause = first(wide)
    assert (cause.setting, cause.command) == ("", ORIGIN.search_longer)
    assert cause.advice.startswith("the space has the settings that usually help already")


def test_settings_that_the_model_has_are_left_out_and_the_others_stay() -> None:
    has = {"layers": 1, "initialisation": "xavier_orthogonal"}
    cause = first(weak_with(configuration=has, gradient_ratio=1e-5))
    assert assignments(cause) == ["space.pooling=[max, mean]", "space.layer_norm=true"]
    assert cause.advice == "pool over all steps and normalise the outputs of each layer"


def test_clipping_that_is_there_is_not_advised() -> None:
    cause = first(weak_with(configuration={"clipping": "norm"}, gradient_norm=1e6, gradient_norm_most=1e9))
    assert cause.name == "exploding_gradients"
    assert "clipping" not in cause.setting


def test_a_whole_command_is_printed_where_the_run_is_known() -> None:
    evidence = replace(weak_with(configuration={"layers": 4}, gradient_ratio=1e-5), origin=ORIGIN)
    _, command = advice_lines(first(evidence))
    assert shlex.split(command)[:3] == ["tuner", "run", "my mail.yaml"]
    assert "space.layers=2" not in command  # replaced by one layer
    assert "--set space.layers=1" in command


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 10.0])
def test_a_lower_learning_rate_is_lower_than_that_of_the_model(rate: float) -> None:
    evidence = weak_with(configuration={"learning_rate": rate}, last_loss=0.6, gate_saturation=0.7)
    cause = next(each for each in diagnose(evidence).causes if each.name == "learning_rate_too_high")
    advised = read_space(make_space().text, assignments(cause)).parameters["learning_rate"]
    assert isinstance(advised, FloatRange)
    assert advised.low < advised.high <= rate / 2


MAJORITY = decisions(
    label("a", prevalence=0.9, support=900, decision_rate=1.0, mean_probability=0.9, lowest_decided=0.6, f1=0.95, auc=0.6),
    label("b", **NEVER, prevalence=0.1, support=100, mean_probability=0.1, highest_undecided=0.4, auc=0.6),
    macro_f1=0.47, constant_penalty=1.0, skill=0.0, skill_low=0.0, auc=0.6, fitted_macro_f1=0.55, chance_skill=0.02,
)  # fmt: skip


@pytest.mark.parametrize("configuration", [None, CONFIGURATION])
def test_imbalance_that_nothing_addresses_comes_first_if_only_the_majority_is_predicted(configuration: Any) -> None:
    known = (
        replace(HEALTHY, training=training(skill=0.0, auc=0.6))
        if configuration
        else Evidence(subject="", task="binary")
    )
    evidence = replace(known, task="binary", decisions=MAJORITY, configuration=configuration)
    causes = diagnose(evidence).causes
    assert causes[0].name == "imbalance"
    printed = [line for cause in causes for line in advice_lines(cause)]
    assert not any("weaken" in line or "loss_weights=none" in line for line in printed)
    if configuration:
        assert "--set 'space.resampling=[balanced_batches, oversample]'" in printed
    else:
        assert not any("--set" in line for line in printed)


@pytest.mark.parametrize(
    ("configuration", "setting"),
    [
        ({"loss_weights": "balanced"}, "--set space.loss_weights=none"),
        ({"resampling": "oversample"}, "--set space.resampling=none"),
        ({"logit_adjustment": 4.0}, "--set space.logit_adjustment=0"),
        ({}, ""),
    ],
)
def test_corrections_are_weakened_only_if_there_are_any(configuration: dict[str, Any], setting: str) -> None:
    evidence = replace(MADE["constant_decision"], configuration=CONFIGURATION | configuration)
    cause = first(evidence)
    assert (cause.name, cause.setting) == ("constant_decision", setting)


def test_for_a_model_from_elsewhere_settings_are_not_presumed() -> None:
    cause = first(MADE["constant_decision"])
    assert cause.setting == ""
    assert cause.advice.startswith("if the loss has weights or the rows are resampled")


def test_loss_weights_come_first_only_where_no_thresholds_undo_them() -> None:
    of_one_label = replace(MADE["imbalance"], task="multiclass")
    assert first(of_one_label).setting == "--set 'space.loss_weights=[balanced, root]'"
    assert first(MADE["imbalance"]).setting == "--set 'space.resampling=[balanced_batches, oversample]'"


@pytest.mark.parametrize(
    ("weights", "advised"),
    [
        ("root", ["space.loss_weights=balanced"]),
        ("balanced", []),
        ("effective_number", ["space.loss_weights=balanced"]),
    ],
)
def test_a_correction_in_force_is_strengthened_and_not_joined_by_another(weights: str, advised: list[str]) -> None:
    weighted = replace(MADE["imbalance"], configuration=CONFIGURATION | {"loss_weights": weights})
    assert assignments(first(weighted)) == advised


def test_known_settings_of_weak_evidence_are_those_of_its_configuration() -> None:
    assert KnownSettings.of(WEAK).value("hidden") == 64


def test_advice_that_an_earlier_cause_has_is_only_referred_to() -> None:
    causes = [
        replace(cause, advice="train longer", command="tuner run x") for cause in diagnose(MADE["imbalance"]).causes
    ]
    assert len(causes) > 1
    first, *others = advice_by_cause(causes)
    assert first == ["train longer", "tuner run x"]
    assert all(lines == ["the advice for imbalance is the advice here too"] for lines in others)
