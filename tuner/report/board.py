"""What a run came to, as plain values made from its ledger alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tuner.ledger import Run

VERDICTS = {
    "beats_baselines": "the champion beats the constant rules and every baseline on the test split",
    "no_better_than_baseline": "the champion beats the constant rules, but not every baseline, on the test split",
    "no_better_than_constant": "on the test split the champion is no better than answering the same for every input",
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
    "configuration",
)

_MEAN_OVER_RUNS = ("score_spread", "macro_f1", "constant_penalty", "skill", "epochs")
_OF_A_TRIAL = ("score", "score_spread", "macro_f1", "constant_penalty", "skill", "epochs", "ending")


def leaderboard(run: Run) -> list[dict[str, Any]]:
    """Baselines, search trials and finalists on one board, best validation score first.

    A trial stands there with its best report; a finalist with the mean over its runs and the mean's lower bound. A control
    and a probe are nothing to beat, and not on the board.
    """
    rows = [_baseline_row(row) for row in run.baselines if row["kind"] not in ("control", "probe")]
    rows += [_trial_row(row) for row in run.trials if row["phase"] == "search" and row["score"] is not None]
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
        "error": run.manifest.get("error"),
        "trials": count_endings(run),
        "baselines": list(run.baselines),
        "leaderboard": leaderboard(run),
        "reason": champion.get("reason"),
        "champion": {key: value for key, value in champion.items() if key not in ("verdict", "reason")} or None,
        "profile": run.profile or None,
        "data": run.environment.get("data"),
        "environment": {key: value for key, value in run.environment.items() if key != "data"},
    }


def count_endings(run: Run) -> dict[str, int]:
    """Count the search trials by ending; one that has none yet, or was cut off by a crash, counts as running."""
    counts = Counter(row["ending"] or "running" for row in run.trials if row["phase"] == "search")
    return dict(sorted(counts.items()))


def _baseline_row(row: Any) -> dict[str, Any]:
    validation = row["validation"]
    measures = {key: validation[key] for key in ("score", "macro_f1", "constant_penalty", "skill")}
    return {"kind": "baseline", "name": row["name"], **measures, "score_spread": validation.get("score_spread")}


def _trial_row(row: Any) -> dict[str, Any]:
    return {
        "kind": "trial",
        "name": f"trial {row['trial']}",
        **{key: row[key] for key in _OF_A_TRIAL},
        "configuration": json.loads(row["configuration"]),
    }


def _finalist_row(finalist: Any, run: Run) -> dict[str, Any]:
    trials = [row for row in run.trials if row["parent"] == finalist["trial"] and row["score"] is not None]
    is_champion = run.champion.get("parent") == finalist["trial"]
    return {
        "kind": "champion" if is_champion else "finalist",
        "name": f"trial {finalist['trial']} × {finalist['seeds']} seeds",
        "score": finalist["mean"],
        **{key: _mean(row[key] for row in trials) for key in _MEAN_OVER_RUNS},
        "lower": finalist["lower"],
        "runs": finalist["seeds"],
        "configuration": json.loads(trials[0]["configuration"]) if trials else None,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known, None where nothing is, as where rows of the ledger are lost."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
