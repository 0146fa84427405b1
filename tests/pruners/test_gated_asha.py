"""The pruner's decisions, without Ray: the gate, the rungs, the budget, and what a replay restores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from builders.measurements import make_measurement
from tuner.pruners.base import Decision, Pruner
from tuner.pruners.gate import GateSettings
from tuner.pruners.registry import PRUNERS
from tuner.trial.ending import Ending
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order

ROWS, EPOCHS = 1000, 9
COLLAPSED = {"constant_penalty": 1.0, "skill": 0.0, "auc": 0.5, "logit_spread": 0.0}


def make_pruner(name: str) -> Pruner:
    return PRUNERS[name](
        grace_epochs=1,
        rows=ROWS,
        budget_examples=EPOCHS * ROWS,
        reduction_factor=3,
        gate=GateSettings(least_examples=0),
    )


@pytest.fixture(params=PRUNERS)
def pruner(request: pytest.FixtureRequest) -> Pruner:
    return make_pruner(request.param)


def order(index: int, phase: str = "search") -> Order:
    return Order(index, phase, {"learning_rate": 0.1, "hidden": 8}, seed=index)  # type: ignore[arg-type]


def measured(epoch: float, score: float = 0.5, *, is_last: bool = False, **measures: float) -> Measurement:
    measurement = make_measurement(score, **measures)
    return replace(measurement, examples=round(epoch * ROWS), epochs=epoch, is_last=is_last)


def judge_all(pruner: Pruner, trial: Order, measurements: Iterable[Measurement]) -> list[Decision | None]:
    return [pruner.judge(trial, each) for each in measurements]


# --- what every pruner does -----------------------------------------------------------------------------------------------


def test_a_trial_that_uses_its_whole_budget_is_completed_without_a_reason(pruner: Pruner) -> None:
    curve = [measured(epoch, is_last=epoch == EPOCHS) for epoch in (1, 3, EPOCHS)]
    assert judge_all(pruner, order(0), curve) == [None, None, Decision("completed")]


def test_a_trial_that_runs_out_of_patience_is_completed_with_a_reason(pruner: Pruner) -> None:
    decision = pruner.judge(order(0), measured(2, is_last=True))
    assert decision == Decision("completed", "no better score for search.patience measurements in a row")


@pytest.mark.parametrize("phase", ["search", "finalist"])
def test_a_trial_diverges_with_the_step_and_the_settings_in_the_reason(pruner: Pruner, phase: str) -> None:
    broken = replace(measured(1, float("nan")), diverged_at_step=7, precision="float32")
    reason = "a number was not finite at step 7, with learning_rate 0.1, precision float32"
    assert pruner.judge(order(0, phase), broken) == Decision("diverged", reason)


def test_a_finalist_is_not_compared_with_others(pruner: Pruner) -> None:
    for index in range(9):
        pruner.judge(order(index), measured(1, 0.9))
    assert pruner.judge(order(20, "finalist"), measured(1, 0.1)) is None


def test_a_decision_is_an_ending(pruner: Pruner) -> None:
    decision = pruner.judge(order(0), measured(2, is_last=True))
    assert decision is not None
    assert Ending(decision.ending) is Ending.COMPLETED


@pytest.mark.parametrize("name", PRUNERS)
def test_after_a_replay_a_pruner_decides_as_the_first_one_does(name: str) -> None:
    first, second = make_pruner(name), make_pruner(name)
    events = [(index, measured(1, score)) for index, score in enumerate((0.5, 0.6, 0.7, 0.65))]
    for index, measurement in events:
        first.judge(order(index), measurement)
    second.replay(events, running={3})
    for score in (0.9, 0.62, 0.1):
        assert first.judge(order(9), measured(1, score)) == second.judge(order(9), measured(1, score))
        first.forget(9)
        second.forget(9)
    later = measured(3, 0.7)
    assert first.judge(order(3), later) == second.judge(order(3), later)


# --- gated ASHA -----------------------------------------------------------------------------------------------------------


def test_a_trial_below_its_rung_is_stopped() -> None:
    pruner = make_pruner("gated_asha")
    for index, score in enumerate((0.5, 0.6, 0.7)):
        assert pruner.judge(order(index), measured(1, score)) is None
    assert pruner.judge(order(3), measured(1, 0.1)) == Decision("stopped", "below its rung at 1 epoch")


def test_a_collapsed_trial_ends_with_what_shows_it() -> None:
    pruner = make_pruner("gated_asha")
    curve = [measured(epoch, -0.6, **COLLAPSED) for epoch in (0.5, 1)]
    reason = "constant penalty 1.00, skill +0.000, logits move by 0.000 from row to row"
    assert judge_all(pruner, order(0), curve) == [None, Decision("collapsed", reason)]


def test_a_trial_that_a_rung_stopped_before_a_crash_is_stopped_when_the_measurement_is_repeated() -> None:
    pruner = make_pruner("gated_asha")
    events = [(index, measured(1, score)) for index, score in enumerate((0.5, 0.6, 0.7, 0.1))]
    pruner.replay(events, running={2, 3})
    assert pruner.judge(order(2), measured(1, 0.7)) is None
    assert pruner.judge(order(3), measured(1, 0.1)) == Decision("stopped", "below its rung at 1 epoch")
