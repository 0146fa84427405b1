"""What a run's champion.json says about its committee, as sentences and rows of tables. Older runs have none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.show_value import show_count

NO_BASIS = "What the others reach on test was measured afterwards: it is no basis for a choice."
ALTERNATIVES: Mapping[str, str] = {
    "champion": "champion",
    "models": "models",
    "validation": "macro-F1, validation",
    "ahead": "ahead of single",
    "ahead 95 %": "95 %",
    "test": "macro-F1, test",
    "test 95 %": "95 %, test",
    "s / 1,000 rows": "seconds per 1,000 rows",
}
"""Columns of `list_alternatives`, with their headings."""
MEMBERS: Mapping[str, str] = {"member": "member", "weight": "weight", "score": "score alone", "adds": "adds"}
"""Columns of `list_members`, with their headings."""
_MOST_NAMED = 4


def is_committee(champion: Mapping[str, Any]) -> bool:
    """Return whether the champion has several members."""
    return len(_members(champion)) > 1


def describe_committee(champion: Mapping[str, Any]) -> str:
    """Return the members in a line: "committee of 5 runs (trials 3, 7, 12, 15 …) and tfidf + logistic regression"."""
    trials = [str(member["trial"]) for member in _members(champion) if member["trial"] is not None]
    baselines = [str(member["baseline"]) for member in _members(champion) if member["trial"] is None]
    named = ", ".join(trials[:_MOST_NAMED]) + (" …" if len(trials) > _MOST_NAMED else "")
    runs = f"{show_count(len(trials), 'run')} ({'trial' if len(trials) == 1 else 'trials'} {named})"
    return " and ".join([f"committee of {runs}", *baselines])


def explain_choice(champion: Mapping[str, Any]) -> str:
    """Say what was asked for, what was chosen, and why; "" for an older run."""
    committee = champion.get("committee")
    if not committee:
        return ""
    asked, kind = committee["asked"], committee["kind"]
    handed_over = f"a {'single model' if kind == 'single' else kind} is handed over"
    return (
        f"{handed_over if asked == kind else f'search.champion is {asked}, but {handed_over}'}: {committee['reason']}"
    )


def list_alternatives(champion: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each of single, committee and blend, with the columns of ALTERNATIVES."""
    committee = champion.get("committee") or {}
    return [
        {
            "champion": f"{row['kind']}{' (chosen)' if row['kind'] == committee['kind'] else ''}",
            "models": row["models"],
            "validation": row["validation"]["macro_f1"],
            "ahead": None if row["kind"] == "single" else row["ahead"]["value"],
            "ahead 95 %": None if row["kind"] == "single" else _interval(row["ahead"]["low"], row["ahead"]["high"]),
            "test": row["test"]["macro_f1"],
            "test 95 %": _interval(*row["test"]["macro_f1_ci"]),
            "s / 1,000 rows": row["seconds_per_1000_rows"],
        }
        for row in committee.get("alternatives", ())
    ]


def list_members(champion: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each member of a committee, the leading one first, with the columns of MEMBERS; none for one model."""
    if not is_committee(champion):
        return []
    return [
        {
            "member": member["baseline"] if member["trial"] is None else f"trial {member['trial']}",
            **{name: member[name] for name in ("weight", "score", "adds")},
        }
        for member in _members(champion)
    ]


def _members(champion: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((champion.get("committee") or {}).get("members", ()))


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"
