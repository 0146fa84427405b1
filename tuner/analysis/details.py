"""The figures of the report as rows of text: what mattered, where trials collapse, the data, the most wrong rows."""

from __future__ import annotations

from typing import Any

from tuner.analysis.failing_settings import find_failing_settings
from tuner.analysis.importance import importances
from tuner.analysis.trials import trials_of
from tuner.analysis.tried_settings import logarithmic
from tuner.data.profile import summarise
from tuner.ledger.run_directory import Run, read_measurements
from tuner.ledger.run_space import space_of


def run_details(run: Run) -> dict[str, Any]:
    """Return what `tuner show --all` adds to the leaderboard, as JSON values.

    Keys are importance and collapse (a row each), cut (lines of a space file, empty if none is suggested), data (a line for
    each split, and notes) and most_wrong (rows of the test split). A value is empty if the run has not got that far.
    """
    trials = [trial for trial in trials_of(run, read_measurements(run.location)) if trial.phase == "search"]
    space = space_of(run)
    failing = find_failing_settings(trials, space)
    return {
        "importance": [
            {
                "parameter": importance.name,
                "share of variance": importance.value,
                "low": importance.low,
                "high": importance.high,
                "in force": importance.condition,
            }
            for importance in importances(trials, logarithmic=logarithmic(space.parameters if space else {}))
        ],
        "collapse": [
            {
                "setting": f"{cell.setting.name}={cell.setting.shown}",
                "trials": cell.share.trials,
                "collapsed": cell.share.lost,
                "share": cell.share.value,
                "low": cell.share.low,
                "high": cell.share.high,
                "worse": "yes" if cell.is_worse else None,
            }
            for cell in sorted(failing.cells, key=lambda cell: -cell.share.value)
            if cell.share.lost
        ],
        "cut": failing.cut_lines,
        "data": [*summarise(run.profile), *run.profile["notes"]] if run.profile else [],
        "most_wrong": [
            {**row, "truth": ", ".join(row["truth"]), "decided": ", ".join(row["decided"])}
            for row in run.champion.get("most_wrong", ())
        ],
    }
