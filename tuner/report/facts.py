"""What the page shows in figures, as rows: what mattered, where trials collapse, the data, the rows most wrong."""

from __future__ import annotations

from typing import Any

from tuner.analysis.failing_settings import collapse_map, judged, suggest_cuts, yaml_lines
from tuner.analysis.importance import importances
from tuner.analysis.settings import logarithmic
from tuner.data.profile import summarise
from tuner.report.material import Material
from tuner.space.parameters import PARAMETERS


def facts(material: Material) -> dict[str, Any]:
    """Return the evidence of `tuner report` that `tuner show` does not have on its board, as JSON values.

    Keys are importance and collapse (a row each), cut (lines of a space file, empty where none is suggested), data (a line
    for each split, and notes) and most_wrong (rows of the test split). What a run has not come to yet is empty.
    """
    domains = {} if material.space is None else material.space.parameters
    logs = logarithmic(domains)
    cells = collapse_map(judged(material.searched), logarithmic=logs)
    cuts = suggest_cuts(cells, domains)
    profile = material.run.profile
    return {
        "importance": [
            {
                "parameter": each.name,
                "share of variance": each.value,
                "low": each.low,
                "high": each.high,
                "in force": each.condition,
            }
            for each in importances([trial for trial in material.searched if trial.score is not None], logarithmic=logs)
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
            for cell in sorted(cells, key=lambda cell: -cell.share.value)
            if cell.share.lost
        ],
        "cut": yaml_lines(cuts, PARAMETERS[material.space.inputs]) if cuts and material.space else "",
        "data": [*summarise(profile), *profile["notes"]] if profile else [],
        "most_wrong": [
            {**row, "truth": ", ".join(row["truth"]), "decided": ", ".join(row["decided"])}
            for row in material.run.champion.get("most_wrong", ())
        ],
    }
