"""What is said about a committee."""

from __future__ import annotations

from typing import Any

import pytest

from builders.runs import describe_blend
from tuner.analysis.committee import (
    ALTERNATIVES,
    MEMBERS,
    describe_committee,
    explain_choice,
    is_committee,
    list_alternatives,
    list_members,
)
from tuner.analysis.leaderboard import describe_champion
from tuner.ledger.extensions import identify_champion


def champion_with(*trials: int, baseline: str | None = None, **more: Any) -> dict[str, Any]:
    members = [{"trial": trial, "baseline": None, "weight": 1} for trial in trials]
    members += [{"trial": None, "baseline": baseline, "weight": 2}] if baseline else []
    return {"trial": trials[0], "parent": trials[0], "committee": {"members": members, **more}}


def test_a_committee_is_named_by_its_first_trials_and_its_baseline() -> None:
    champion = champion_with(3, 7, 12, 15, 20, baseline="tfidf")
    assert describe_committee(champion) == "committee of 5 runs (trials 3, 7, 12, 15 …) and tfidf"
    assert describe_champion(champion_with(4, baseline="tfidf")) == "committee of 1 run (trial 4) and tfidf"
    assert describe_champion(champion_with(4)) == "trial 4"


def test_a_run_of_an_older_version_has_no_committee() -> None:
    champion = {"trial": 4, "parent": 4}
    assert not is_committee(champion)
    assert (explain_choice(champion), list_alternatives(champion), list_members(champion)) == ("", [], [])


def test_the_choice_says_if_something_else_was_asked_for() -> None:
    as_asked = champion_with(1, 2, asked="committee", kind="committee", reason="it is better")
    assert explain_choice(as_asked) == "a committee is handed over: it is better"
    other = champion_with(1, asked="blend", kind="single", reason="there is one model")
    assert explain_choice(other) == "search.champion is blend, but a single model is handed over: there is one model"


def test_tables_have_a_row_for_each_alternative_and_each_member() -> None:
    champion = {"committee": describe_blend(5)}
    alternatives, members = list_alternatives(champion), list_members(champion)
    assert [row["champion"] for row in alternatives] == ["single", "committee", "blend (chosen)"]
    assert [row["ahead 95 %"] for row in alternatives] == [None, "0.000 to 0.020", "0.010 to 0.030"]
    assert [row["member"] for row in members] == ["trial 5", "trial 1", "tfidf + logistic regression"]
    assert set(alternatives[0]) == set(ALTERNATIVES)
    assert set(members[0]) == set(MEMBERS)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (champion_with(3, 7, baseline="tfidf"), True),
        (champion_with(3, baseline="tfidf"), False),
        (champion_with(3, 7), False),
        ({"trial": 3, "members": [["tfidf", 2], [3, 1], [7, 1]]}, True),
        ({"trial": 3, "parent": 3}, False),
    ],
)
def test_a_champion_is_as_before_only_with_the_same_members(other: dict[str, Any], is_same: bool) -> None:
    champion = champion_with(3, 7, baseline="tfidf")
    assert (identify_champion(champion) == identify_champion(other)) is is_same


def test_a_single_model_is_the_same_champion_as_that_of_an_older_version() -> None:
    assert identify_champion({"trial": 3, "verdict": "x"}) == identify_champion(champion_with(3))
