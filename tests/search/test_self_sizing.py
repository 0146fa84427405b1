"""A search that sizes itself: the speed of its first trials, the second plan, and the plan in its ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.measurements import make_measurement
from builders.searches import make_rows
from tuner.errors import SpaceError
from tuner.search.reading import read_data
from tuner.search.self_sizing import SelfSizing, make_sizing
from tuner.search.size_plan import settle_more_finalists
from tuner.space.load import Space, read_space
from tuner.trial.order import Order, Stretch
from tuner.trial.record import TrialRecord

SPACE = """
task: multiclass
data: {train: rows.csv, text: text, label: kind, validation: 0.2, test: 0.2}
search: {time: TIME, max_epochs: auto, grace_epochs: auto, reports_per_epoch: auto, finalists: auto, seeds: auto}
space: {tokens: {word: {min_count: 1}}, hidden: [16, 32, 64], batch_size: auto}
"""
SPENT_S = 6.0


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SelfSizing]:
    monkeypatch.chdir(tmp_path)
    lines = [f"{row['text']},{row['kind']}" for row in make_rows(80).to_pylist()]
    Path("rows.csv").write_text("text,kind\n" + "\n".join(lines) + "\n")

    def make(time: str = "20s", *, spent_s: float = SPENT_S) -> SelfSizing:
        space, dataset, data = read_data(read_space(SPACE.replace("TIME", time)), lambda _: None)
        sizing = make_sizing(space, dataset, data, slots=1, spent_s=spent_s)
        assert sizing is not None
        return sizing

    return make


def trained(sizing: SelfSizing, seconds: float, examples: int, *, load: float = 1.0) -> TrialRecord:
    """Return the record of a trial that is on its way to its first measurement."""
    guess = sizing._guess
    record = TrialRecord(Order(0, "search", guess.configurations[0], 1))
    record.stretch = Stretch(examples, seconds, 1.0, load)
    return record


def revise(sizing: SelfSizing, record: TrialRecord) -> Any:
    return sizing.revise([record], spent_s=9.0, first_rung=10_000, has_baselines=False)


def test_a_plan_is_one_line_and_its_entry_has_what_was_settled(make: Callable[..., SelfSizing]) -> None:
    plan = make().plan
    assert plan.sentence.startswith("plan: about ")
    assert plan.sentence.endswith(f"batches of {plan.batch_size}")
    entry = json.loads(json.dumps(plan.entry(is_measured=False)))
    assert entry["settings"]["search.max_epochs"] == plan.space.search.max_epochs
    assert "auto" not in plan.space.text


def test_a_plan_without_a_trial_says_so(make: Callable[..., SelfSizing]) -> None:
    plan = make().plan
    hopeless = replace(plan, course=replace(plan.course, trials=0, full_runs=0))
    assert hopeless.sentence.startswith("plan: the time may be too short to measure even one trial; runs of ")


def test_a_space_without_auto_is_not_sized(tmp_path: Path, make: Callable[..., SelfSizing]) -> None:
    make()  # writes the rows
    fixed = SPACE.replace("TIME", "20s").replace("auto", "2")
    space, dataset, data = read_data(read_space(fixed), lambda _: None)
    assert make_sizing(space, dataset, data, slots=1, spent_s=SPENT_S) is None


def test_a_slower_machine_gets_another_plan_once(make: Callable[..., SelfSizing]) -> None:
    sizing = make()
    first = sizing.plan
    assert revise(sizing, trained(sizing, 0.5, 10)) is None  # the first news only starts the clock
    second = revise(sizing, trained(sizing, 4.5, 300))
    assert second is not None
    assert second.space.search.max_epochs < first.space.search.max_epochs
    assert second.settings["space.batch_size"] == first.settings["space.batch_size"]
    assert revise(sizing, trained(sizing, 9.0, 60)) is None


def test_a_busy_moment_does_not_decide_how_long_a_long_search_trains(make: Callable[..., SelfSizing]) -> None:
    sizing = make("5m")
    assert revise(sizing, trained(sizing, 0.5, 10)) is None
    assert revise(sizing, trained(sizing, 4.5, 50)) is None
    assert revise(sizing, trained(sizing, 7.0, 90)) is not None


def test_trials_under_way_go_on_if_none_that_begins_again_would_be_measured(make: Callable[..., SelfSizing]) -> None:
    sizing = make()
    first = sizing.plan
    assert revise(sizing, trained(sizing, 0.5, 10)) is None
    record = trained(sizing, 4.5, 12)
    assert sizing.revise([record], spent_s=18.0, first_rung=10_000, has_baselines=False) is None
    assert sizing.plan is first


def test_about_the_guessed_speed_is_no_reason_for_another_plan(make: Callable[..., SelfSizing]) -> None:
    sizing = make()
    cost = sizing._guess.of(trained(sizing, 1, 1).order.configuration)
    assert revise(sizing, trained(sizing, 0.0, 1)) is None
    assert revise(sizing, trained(sizing, 4.0, 1 + round(4.0 / cost.example_s))) is None
    assert revise(sizing, trained(sizing, 90.0, 2 + round(4.0 / cost.example_s))) is None  # it was decided


@pytest.mark.parametrize("has_baselines", [False, True])
def test_what_the_baselines_beside_it_slow_a_trial_down_does_not_count(
    make: Callable[..., SelfSizing], has_baselines: bool
) -> None:
    sizing = make()
    cost = sizing._guess.of(trained(sizing, 1, 1).order.configuration)
    plans = [
        sizing.revise([record], spent_s=9.0, first_rung=10_000, has_baselines=has_baselines)
        for record in (
            trained(sizing, 0.0, 1, load=1.3),
            trained(sizing, 4.0, 1 + round(4.0 / cost.example_s / 1.3), load=1.3),
        )
    ]
    assert [plan is None for plan in plans] == [True, not has_baselines]


def test_after_the_first_rung_the_plan_stays(make: Callable[..., SelfSizing]) -> None:
    sizing = make()
    record = trained(sizing, 0.5, 10)
    record.add(make_measurement(0.4, epochs=1, seconds=1.0))
    assert sizing.revise([record], spent_s=9.0, first_rung=1, has_baselines=False) is None
    assert revise(sizing, trained(sizing, 0.5, 10)) is None
    assert revise(sizing, trained(sizing, 50.0, 20)) is None


def test_a_budget_that_cannot_give_one_report_is_refused_with_one_that_can(make: Callable[..., SelfSizing]) -> None:
    with pytest.raises(SpaceError, match=r"no trial would be measured.* --set search\.time=\d+s"):
        make("7s", spent_s=6.9)


def test_a_run_that_is_given_more_time_gets_more_finalists_and_keeps_the_rest(make: Callable[..., SelfSizing]) -> None:
    plan = make().plan
    entry = json.loads(json.dumps(plan.entry(is_measured=True)))
    longer: Space = read_space(plan.space.text, ["search.time=10m"])
    more = settle_more_finalists(longer, entry, spent_s=20.0)
    assert more.keys() == {"search.finalists", "search.seeds"}
    assert more["search.finalists"] > plan.space.search.finalists
    assert settle_more_finalists(longer, {}, spent_s=20.0) == {}
