"""Parallel coordinates. Trials that do not use a parameter pass below its axis.

The lines are an ordinary figure. Plotly's own parallel coordinates need WebGL, which a remote desktop or a printer may lack.
They also cannot show missing values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuner.analysis.failing_settings import FAULTY
from tuner.analysis.trials import TrialFacts, thin
from tuner.analysis.tried_settings import Value, is_numeric, short_name, show_setting
from tuner.report.blocks import Plot
from tuner.report.counts import count_shown, why_unscored
from tuner.report.figures import LOWEST, Trace, color, joined, numbers, text

MOST_LINES = 200
_MOST_AXES = 8
_ABSENT = -0.16
_BANDS = (("best tenth", 0.9), ("next quarter", 0.65), ("middle", 0.3), ("lowest", 0.0))


def parallel_coordinates(trials: Sequence[TrialFacts], names: Sequence[str], logarithmic: frozenset[str]) -> Plot:
    """Draw each search trial with a score as a line across the first few of `names`, with its score at the right."""
    scored = [trial for trial in trials if trial.phase == "search" and trial.score is not None]
    ranked = sorted(scored, key=lambda trial: trial.score or 0.0)
    chosen = thin(ranked, MOST_LINES)
    kept = list(names[:_MOST_AXES])
    places = [_places([trial.configuration.get(name) for trial in chosen], is_log=name in logarithmic) for name in kept]
    scores = [_drawn_score(trial) for trial in chosen]
    places.append(_places(scores, is_log=False))
    traces = []
    for band, members in _banded(chosen).items():
        lines = [[place[member] for place in places] for member in members]
        if lines:
            traces.append(_band_trace(band, lines, [chosen[member] for member in members], kept))
    ticks = _ticks([*kept], chosen, logarithmic)
    low = sum((trial.score or 0.0) < LOWEST for trial in chosen)
    cut = f" {low:,} scores below −1 are drawn at −1." if low else ""
    counted = count_shown(chosen, trials, why_unscored)
    return Plot(
        key="coordinates",
        label="Parallel coordinates of the parameters that matter most, coloured by score",
        data=traces,
        layout={
            "xaxis": _axis(kept),
            "yaxis": {"visible": False, "range": [_ABSENT - 0.06, 1.06]},
            "annotations": ticks,
            "showlegend": True,
            "legend": {"y": -0.02, "yanchor": "top"},
            "hovermode": "closest",
        },
        height=470,
        least_width=640,
        caption=f"{counted}{cut} Each line is a trial. “–” below an axis marks the trials that do not use the parameter. "
        "Click a name in the legend to hide its trials, or double-click it to show only those.",
    )


def _drawn_score(trial: TrialFacts) -> float:
    return max(LOWEST, trial.score or 0.0)


def _axis(names: Sequence[str]) -> dict[str, object]:
    words = [text(short_name(name), longest=30).replace(" ", "<br>") for name in names]
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names) + 1)),
        "ticktext": [*words, "<b>score</b>"],
        "range": [-0.25, len(names) + 0.35],
        "side": "top",
        "tickangle": 0,
        "tickfont": {"size": 11},
        "showgrid": True,
        "gridcolor": color("rule"),
        "zeroline": False,
        "automargin": True,
    }


def _banded(ranked: Sequence[TrialFacts]) -> dict[str, list[int]]:
    """Return the places of the trials in each band; `ranked` ascends by score. Faulty trials have a band of their own."""
    bands: dict[str, list[int]] = {"collapsed or diverged": []}
    bands |= {name: [] for name, _ in reversed(_BANDS)}
    for place, trial in enumerate(ranked):
        if trial.ending in FAULTY:
            bands["collapsed or diverged"].append(place)
        else:
            name = next(name for name, share in _BANDS if (place + 1) / len(ranked) > share or share == 0)
            bands[name].append(place)
    return bands


def _band_trace(band: str, lines: Sequence[list[float]], trials: Sequence[TrialFacts], names: Sequence[str]) -> Trace:
    colors = {
        "best tenth": "ramp-4",
        "next quarter": "ramp-3",
        "middle": "ramp-2",
        "lowest": "ramp-1",
        "collapsed or diverged": "collapsed",
    }
    values_of_trials = [
        [*(text(show_setting(trial.configuration[n]) if n in trial.configuration else "–") for n in names)]
        for trial in trials
    ]
    hover = [
        [
            f"trial {trial.number}, score {trial.score:.3f}<br>{text(short_name(name))}: {value}"
            for name, value in zip([*names, "ending"], [*values, trial.ending], strict=True)
        ]
        for trial, values in zip(trials, values_of_trials, strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{band} ({len(lines)})",
        "meta": {"trials": len(lines)},
        "x": joined([list(range(len(line))) for line in lines]),
        "y": joined([numbers(line) for line in lines]),
        "text": joined(hover),
        "line": {
            "color": color(colors[band]),
            "width": 2.2 if band == "best tenth" else 1.1,
            "dash": "dot" if band == "collapsed or diverged" else "solid",
        },
        "opacity": 0.9 if band == "best tenth" else 0.75,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _places(values: Sequence[Value | None], *, is_log: bool) -> list[float]:
    """Return the positions of values on their axis, between 0 and 1; missing values lie below it."""
    scale = _scale([value for value in values if value is not None], is_log=is_log)
    return [_ABSENT if value is None else scale[value] for value in values]


def _scale(values: Sequence[Value], *, is_log: bool) -> Mapping[Value, float]:
    distinct = list(dict.fromkeys(values))
    if not is_numeric(distinct):
        return {value: _share(place, 0, len(distinct) - 1) for place, value in enumerate(distinct)}
    if is_log and min(map(float, distinct)) > 0:
        low, high = math.log(min(map(float, distinct))), math.log(max(map(float, distinct)))
        return {value: _share(math.log(float(value)), low, high) for value in distinct}
    low, high = min(map(float, distinct)), max(map(float, distinct))
    return {value: _share(float(value), low, high) for value in distinct}


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high <= low else (value - low) / (high - low)


def _ticks(names: Sequence[str], trials: Sequence[TrialFacts], logarithmic: frozenset[str]) -> list[dict[str, object]]:
    """Return the texts along the axes: every choice, or the ends of a range, and "–" for missing values."""
    notes = []
    columns = [[trial.configuration.get(name) for trial in trials] for name in names]
    for place, (values, is_log) in enumerate(
        [(column, name in logarithmic) for column, name in zip(columns, names, strict=True)]
        + [([_drawn_score(trial) for trial in trials], False)]
    ):
        scale = _scale([value for value in values if value is not None], is_log=is_log)
        labelled = (
            list(scale)
            if not is_numeric(list(scale))
            else sorted({min(scale, key=float), max(scale, key=float)}, key=float)
        )
        notes += [_note(place, scale[value], show_setting(value)) for value in labelled]
        if any(value is None for value in values):
            notes.append(_note(place, _ABSENT, "–"))
    return notes


def _note(place: int, at: float, words: str) -> dict[str, object]:
    return {
        "x": place,
        "y": at,
        "text": text(words, longest=16),
        "showarrow": False,
        "xanchor": "left",
        "xshift": 4,
        "font": {"size": 11, "color": color("ink")},
        "bgcolor": color("veil"),
        "borderpad": 1,
    }
