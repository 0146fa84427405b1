"""The results of a run, also from a ledger that was cut off at any point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.analysis.leaderboard import (
    describe_champion,
    describe_run,
    describe_runs_without_model,
    describe_selection,
    leaderboard,
)
from tuner.ledger.run_directory import Ledger, read_run
from tuner.trial.ending import PLANNED_AGAIN

MEASURES = {"score": 0.4, "macro_f1": 0.4, "constant_penalty": 0.0, "skill": 0.1}
BASELINES = [
    {"name": "linear", "kind": "model", "seconds": 0.1, "validation": MEASURES},
    {"name": "shuffled", "kind": "control", "seconds": 0.1, "validation": MEASURES | {"score": 0.9}},
]
FINALIST = {"trial": 0, "scores": [0.6, 0.5], "mean": 0.55, "spread": 0.05, "lower": 0.45, "seeds": 2}


def trial_row(trial: int, score: float | None, *, parent: int | None = None) -> dict[str, Any]:
    return {
        "trial": trial,
        "phase": "search" if parent is None else "finalist",
        "parent": parent,
        "configuration": '{"hidden": 8}',
        "score": score,
        "macro_f1": score,
        "constant_penalty": 0.0,
        "skill": 0.1,
        "epochs": 1.0,
    }


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "runs" / "run", space="task: binary\n", environment={})


def test_the_leaderboard_is_ranked_and_leaves_out_controls(ledger: Ledger) -> None:
    ledger.write_json("baselines", BASELINES)
    for row in (trial_row(0, 0.3), trial_row(1, None), trial_row(2, 0.6, parent=0)):
        ledger.add("trials", row)
    ledger.write_json("champion", {"parent": 0, "finalists": [FINALIST]})
    ledger.flush()
    board = leaderboard(read_run(ledger.location))
    assert [(row["rank"], row["kind"], row["name"]) for row in board] == [
        (1, "champion", "trial 0 × 2 seeds"),
        (2, "baseline", "linear"),
        (3, "trial", "trial 0"),
    ]
    assert board[0]["macro_f1"] == pytest.approx(0.6)


def test_search_trials_of_the_same_settings_share_a_row_with_their_mean(ledger: Ledger) -> None:
    other = {"configuration": '{"hidden": 9}'}
    rows = [
        trial_row(0, 0.9),
        {**trial_row(1, 0.6), **other},
        {**trial_row(2, 0.1), "ending": "stopped"},
        {**trial_row(3, -0.9), "ending": "collapsed"},
        {**trial_row(4, 0.0), "ending": "cut short", "reason": PLANNED_AGAIN},
    ]
    for row in rows:
        ledger.add("trials", row)
    ledger.flush()
    board = leaderboard(read_run(ledger.location))
    assert [(row["name"], row["score"], row["ending"]) for row in board] == [
        ("trial 1", 0.6, None),
        ("trial 0 and 1 repeat", 0.5, "running, stopped"),
        ("trial 4", 0.0, "cut short"),
        ("trial 3", -0.9, "collapsed"),
    ]


def test_the_luck_of_a_search_with_repeats_is_told_by_their_mean() -> None:
    selection = {"epochs": 2.0, "search_score": 0.8, "search_trials": 5, "finalist_scores": [0.75], "range": None}
    assert describe_selection({"selection": selection}).startswith(
        "after 2 epochs, its 5 search trials had on average scored 0.800; the same settings with other seeds scored 0.750"
    )


@pytest.mark.parametrize(
    ("configurations", "words"),
    [(["1"], "its only setting"), (["1", "2"], "all 2 settings"), (["1", "1"], "its only setting")],
)
def test_the_summary_says_that_all_settings_have_been_tried(
    configurations: list[str], words: str, ledger: Ledger, call: Any
) -> None:
    for number, hidden in enumerate(configurations):
        ledger.add(
            "trials", {**trial_row(number, 0.5), "configuration": f'{{"hidden": {hidden}}}', "ending": "stopped"}
        )
    ledger.finish({"status": "finished", "seconds": 3.0, "ended_by": "settings"})
    out = call("show", "run")[1]
    assert f"run: finished in 3 s; the search ended after {words} had been tried; trials: " in out


def test_the_summary_says_the_plan_of_a_search_that_sized_itself(ledger: Ledger, call: Any) -> None:
    sentence = "plan: about 2 trials; 1 reaches 3 epochs; 1 × 1 finalists"
    ledger.write_json("plan", {"sentence": sentence})
    ledger.finish({"status": "finished", "seconds": 3.0})
    assert sentence in call("show", "run")[1].splitlines()
    assert json.loads(call("show", "run", "--format", "json")[1])["plan"] == {"sentence": sentence}


def test_a_champion_from_the_search_itself_has_no_lower_bound(ledger: Ledger) -> None:
    for row in (trial_row(0, 0.7), trial_row(2, 0.6, parent=0), trial_row(3, -0.9, parent=0)):
        ledger.add("trials", row)
    finalist = {**FINALIST, "scores": [0.6], "mean": 0.6, "seeds": 1, "runs": [2], "without_model": 1}
    champion = {"kind": "search trial", "trial": 0, "parent": 0, "finalists": [finalist], "selection": None}
    ledger.write_json("champion", champion)
    ledger.flush()
    board = leaderboard(read_run(ledger.location))
    assert [(row["kind"], row["name"], row.get("lower")) for row in board] == [
        ("champion", "trial 0", None),
        ("finalist", "trial 0 × 1 seed", 0.45),
    ]
    assert board[1]["macro_f1"] == 0.6
    assert describe_champion(champion) == "trial 0, as trained in the search"
    assert describe_runs_without_model(champion) == "1 of these finalists' runs collapsed or have no measurement"
    assert describe_selection(champion) == "there is no run of the same settings with another seed to compare with"


def test_older_records_of_unequal_training_are_not_compared() -> None:
    champion = {
        "parent": 0,
        "selection": {"search_score": 0.7, "finalist_score": 0.6, "bias": 0.1},
        "finalists": [FINALIST],
    }
    assert "0.7" not in describe_selection(champion)
    assert describe_runs_without_model(champion) == ""
    assert describe_champion(champion) == "trial 0"


def test_a_finalist_whose_rows_are_lost_is_listed_with_what_is_known(ledger: Ledger) -> None:
    ledger.write_json("champion", {"parent": 0, "finalists": [FINALIST]})
    (row,) = leaderboard(read_run(ledger.location))
    assert (row["score"], row["macro_f1"], row["configuration"]) == (0.55, None, None)


def write_nothing(_ledger: Ledger) -> None:
    pass


def write_trial(ledger: Ledger) -> None:
    ledger.add("trials", trial_row(0, None))
    ledger.flush()


def write_baselines(ledger: Ledger) -> None:
    ledger.write_json("baselines", BASELINES)


STEPS = (write_nothing, write_trial, write_baselines)


@pytest.mark.parametrize("format_", ["table", "json", "csv"])
@pytest.mark.parametrize("steps", [STEPS[:1], STEPS[:2], STEPS, STEPS[2:]], ids=["bare", "trial", "both", "baselines"])
@pytest.mark.parametrize("is_ended", [False, True])
def test_a_run_cut_off_at_any_point_is_shown_and_listed(
    steps: tuple[Callable[[Ledger], None], ...], is_ended: bool, format_: str, ledger: Ledger, call: Any
) -> None:
    for step in steps:
        step(ledger)
    if is_ended:
        ledger.finish({"status": "interrupted", "seconds": 3.0})
    ledger.release()
    code, out, err = call("show", "run", "--format", format_)
    assert code == 0
    assert out
    assert ("resume it with `tuner resume runs/run`" in err) == (format_ == "table")
    assert ("the run was cut off" in err) == (format_ == "table" and not is_ended)
    code, out, err = call("ls", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)[0]["status"] == ("interrupted" if is_ended else "unfinished")


def test_an_unreadable_run_is_listed_as_unreadable_beside_the_others(ledger: Ledger, call: Any) -> None:
    other = Ledger.create("runs/old", space="", environment={})
    other.folder.write("environment.json", b"{}")
    code, out, err = call("ls", "--format", "json")
    assert code == 0
    assert [(row["name"], row["status"]) for row in json.loads(out)] == [("old", "unreadable"), ("run", "running")]
    assert "note: " in err
    assert "ledger format 1" in err


def test_a_run_is_described_with_its_profile_and_reason(ledger: Ledger) -> None:
    assert (describe_run(read_run(ledger.location))["reason"], describe_run(read_run(ledger.location))["champion"]) == (
        None,
        None,
    )
    ledger.write_json("data", {"task": "binary"})
    ledger.write_json("champion", {"verdict": "beats_baselines", "reason": "because", "trial": 3})
    described = describe_run(read_run(ledger.location))
    assert (described["verdict"], described["reason"]) == ("beats_baselines", "because")
    assert described["champion"] == {"trial": 3}
    assert described["profile"] == {"task": "binary"}
