"""The results of a run as plain values, computed from its ledger alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner.analysis.committee import describe_committee, is_committee
from tuner.analysis.failed_trials import count_by_node, describe_failures, describe_places
from tuner.ledger.run_directory import Run
from tuner.show_value import show_count
from tuner.trial.ending import PLANNED_AGAIN, Ending

VERDICTS = {
    "beats_baselines": "the champion beats the constant rules and every baseline on the test split",
    "no_better_than_baseline": "the champion beats the constant rules, but not every baseline, on the test split",
    "no_better_than_constant": "on the test split, the champion is no better than giving the same answer for every input",
}
COLUMNS = (
    "rank",
    "kind",
    "name",
    "score",
    "score_spread",
    "macro_f1",
    "constant_penalty",
    "skill",
    "lower",
    "runs",
    "epochs",
    "ending",
    "node",
    "configuration",
)

_MEAN_OVER_RUNS = ("score_spread", "macro_f1", "constant_penalty", "skill", "epochs")
_UNFIT = [ending.value for ending in Ending if not ending.is_fit]


def leaderboard(run: Run) -> list[dict[str, Any]]:
    """Return baselines, search trials and finalists in one list, best validation score first.

    A search trial has the values of its best measurement. If several search trials had the same configuration, which older
    versions did, one row has their mean, as in the ranking. A finalist has the mean over its runs and a lower bound of that
    mean. Controls and probes are not listed, because there is no point in beating them.
    """
    rows = [_baseline_row(row) for row in run.baselines if row["kind"] not in ("control", "probe")]
    rows += [_trial_row(same, run) for same in _group_repeats(run)]
    rows += [_finalist_row(row, run) for row in run.champion.get("finalists", ())]
    rows.sort(key=lambda row: (row["score"] is None, -(row["score"] or 0.0)))
    return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]


def describe_run(run: Run) -> dict[str, Any]:
    """Return the facts that `tuner show RUN --format json` prints."""
    champion = run.champion
    return {
        "name": run.name,
        "location": run.location,
        "status": run.status,
        "verdict": champion.get("verdict"),
        "seconds": run.manifest.get("seconds"),
        "ended_by": run.manifest.get("ended_by"),
        "plan": run.plan or None,
        "settings": len({row["configuration"] for row in run.trials if row["phase"] == "search"}),
        "error": run.manifest.get("error"),
        "is_being_extended": run.is_being_extended,
        "extensions": list(run.manifest.get("extensions", ())),
        "trials": count_endings(run),
        "failures": describe_failures(run),
        "nodes": count_by_node(run),
        "baselines": list(run.baselines),
        "leaderboard": leaderboard(run),
        "reason": champion.get("reason"),
        "champion": {key: value for key, value in champion.items() if key not in ("verdict", "reason")} or None,
        "distilled": run.distilled or None,
        "profile": run.profile or None,
        "data": run.environment.get("data"),
        "environment": {key: value for key, value in run.environment.items() if key != "data"},
    }


def describe_champion(champion: Mapping[str, Any]) -> str:
    """Name the trial of the champion, and say if it is a model of the search itself, or name the members of a committee."""
    if is_committee(champion):
        return describe_committee(champion)
    return f"trial {champion['parent']}{', as trained in the search' if is_search_trial(champion) else ''}"


def describe_selection(champion: Mapping[str, Any]) -> str:
    """Compare the champion's search trial with other seeds of the same settings, after the same number of epochs.

    Older runs compared scores after different numbers of epochs; their comparison is left out.
    """
    selection = champion.get("selection") or {}
    if "finalist_scores" not in selection:
        return "there is no run of the same settings with another seed to compare with"
    scores = ", ".join(f"{score:.3f}" for score in selection["finalist_scores"])
    repeats = selection.get("search_trials", 1)
    searched = "search trial had" if repeats == 1 else f"{repeats} search trials had on average"
    sentence = (
        f"after {show_count(selection['epochs'], 'epoch')}, its {searched} scored {selection['search_score']:.3f}; "
        f"the same settings with other seeds scored {scores}"
    )
    if selection["range"] is not None:
        sentence += " (nine in ten further runs: {:.3f} to {:.3f})".format(*selection["range"])
    return sentence


def describe_runs_without_model(champion: Mapping[str, Any]) -> str:
    """Say how many runs of finalists gave no model; "" if all gave one, or if the ledger is older and does not say."""
    lost = sum(row.get("without_model", 0) for row in champion.get("finalists", ()))
    modelless = champion.get("finalists_without_model", ())
    sentences = [f"{lost} of these finalists' runs collapsed or have no measurement"] if lost else []
    if modelless:
        sentences.append(f"no finalist run of {', '.join(f'trial {number}' for number in modelless)} gave a model")
    return "; ".join(sentences)


def count_endings(run: Run) -> dict[str, int]:
    """Count the search trials by ending. A trial without an ending still runs or was cut off; it counts as running."""
    counts = Counter(row["ending"] or "running" for row in run.trials if row["phase"] == "search")
    return dict(sorted(counts.items()))


def _baseline_row(row: Any) -> dict[str, Any]:
    validation = row["validation"]
    measures = {key: validation[key] for key in ("score", "macro_f1", "constant_penalty", "skill")}
    return {"kind": "baseline", "name": row["name"], **measures, "score_spread": validation.get("score_spread")}


def is_search_trial(champion: Mapping[str, Any]) -> bool:
    """Return whether the champion is a model of the search itself: no finalist's run was better."""
    return champion.get("kind") == "search trial"


def _group_repeats(run: Run) -> Iterable[list[Any]]:
    """Return the measured search trials in groups of the same configuration. Those that collapsed or began again are apart."""
    groups: dict[tuple[str, bool, bool], list[Any]] = {}
    for row in run.trials:
        if row["phase"] == "search" and row["score"] is not None:
            group = row["configuration"], row["ending"] in _UNFIT, row["reason"] == PLANNED_AGAIN
            groups.setdefault(group, []).append(row)
    return groups.values()


def _trial_row(same: Sequence[Any], run: Run) -> dict[str, Any]:
    """Describe the search trials of one configuration, under the number of the champion or else of the best."""
    crowned = run.champion["trial"] if is_search_trial(run.champion) else None
    first = max(same, key=lambda row: (row["trial"] == crowned, row["score"]))
    repeats = len(same) - 1
    return {
        "kind": "champion" if first["trial"] == crowned else "trial",
        "name": f"trial {first['trial']}" + (f" and {show_count(repeats, 'repeat')}" if repeats else ""),
        **{key: _mean(row[key] for row in same) for key in ("score", *_MEAN_OVER_RUNS)},
        "ending": ", ".join(dict.fromkeys(row["ending"] or "running" for row in same)) if repeats else first["ending"],
        "node": describe_places(same),
        "configuration": json.loads(first["configuration"]),
    }


def _finalist_row(finalist: Any, run: Run) -> dict[str, Any]:
    runs = finalist.get("runs")  # only those that gave a model; older runs do not list them, so all count
    trials = [
        row
        for row in run.trials
        if row["parent"] == finalist["trial"] and row["score"] is not None and (runs is None or row["trial"] in runs)
    ]
    is_champion = run.champion.get("parent") == finalist["trial"] and not is_search_trial(run.champion)
    return {
        "kind": "champion" if is_champion else "finalist",
        "name": f"trial {finalist['trial']} × {show_count(finalist['seeds'], 'seed')}",
        "score": finalist["mean"],
        **{key: _mean(row[key] for row in trials) for key in _MEAN_OVER_RUNS},
        "lower": finalist["lower"],
        "runs": finalist["seeds"],
        "node": describe_places(trials),
        "configuration": json.loads(trials[0]["configuration"]) if trials else None,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values, or None if there is none, as when rows of the ledger are lost."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
