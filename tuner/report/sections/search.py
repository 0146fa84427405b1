"""How the search went: learning curves, the best score over time, and where the training time went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tuner.analysis.trials import Point, TrialFacts, thin
from tuner.pruners.asha import rung_epochs
from tuner.report.blocks import Block, PageSection, Paragraph, Plot
from tuner.report.counts import THINNED, count_shown
from tuner.report.figures import (
    LOWEST,
    STYLES,
    Trace,
    axis,
    color,
    count_below,
    joined,
    label_above,
    number,
    numbers,
    score_range,
    vertical,
)
from tuner.report.material import Material
from tuner.show_value import show_count, show_duration, show_share
from tuner.trial.ending import Ending

MOST_CURVES = 250
MOST_MARKS = 400
_LOW = -0.15
_LEGEND = {"y": 1.07}  # above the names of the rungs
_UNFIT = tuple(ending for ending in Ending if not ending.is_fit)


def make_section(material: Material) -> PageSection | None:
    """Return the figures of the search, or None before a trial has begun."""
    if not material.trials:
        return None
    blocks: list[Block] = []
    if any(trial.curve for trial in material.trials):
        blocks += [_curves(material), _over_time(material)]
    else:
        blocks.append(Paragraph(text="No trial has a measurement yet.", tone="note"))
    blocks.append(_spent(material.trials))
    return PageSection(key="search", title="The search", blocks=blocks)


def rungs_of(material: Material) -> tuple[float, ...]:
    """Return the epochs of the rungs, or none if the space cannot be read."""
    if material.space is None:
        return ()
    search = material.space.search
    return rung_epochs(
        grace_epochs=search.grace_epochs, reduction_factor=search.reduction_factor, max_epochs=search.max_epochs
    )


def chosen_curves(trials: Sequence[TrialFacts]) -> list[TrialFacts]:
    """Return at most MOST_CURVES trials with measurements: all finalists' runs, and search trials evenly from worst to best."""
    having = [trial for trial in trials if trial.curve]
    finalists = [trial for trial in having if trial.phase == "finalist"]
    rest = sorted((trial for trial in having if trial.phase != "finalist"), key=_score)
    return thin(rest, max(2, MOST_CURVES - len(finalists))) + finalists


def best_so_far(trials: Sequence[TrialFacts]) -> list[tuple[float, float, int]]:
    """Return (seconds, score, trial) of every measurement of a search trial that was better than all earlier ones.

    Trials that collapsed, diverged or failed do not count here, just as in the ranking.
    """
    fit = [trial for trial in trials if trial.phase == "search" and trial.ending not in _UNFIT]
    measured = sorted((point.reported_s, point.score, trial.number) for trial in fit for point in _scored(trial))
    steps: list[tuple[float, float, int]] = []
    for seconds, score, trial_number in measured:
        if not steps or score > steps[-1][1]:
            steps.append((seconds, score, trial_number))
    return steps


def on_two_scales(traces: Sequence[Trace]) -> tuple[list[Trace], dict[str, Any]]:
    """Return traces and y axes. Low scores, as of collapsed trials, get a separate scale at the bottom.

    On one scale, a score of -0.9 would leave no room for the differences that matter. A trace with low points is drawn on
    both scales. Scores below -1 are not drawn.
    """
    scores = [score for trace in traces for score in trace["y"] if score is not None]
    high = [score for score in scores if score >= _LOW]
    if not high or len(high) == len(scores):
        ends = {"range": score_range(scores, pad=0.06)} if scores and min(scores) < LOWEST else {}
        return list(traces), {"yaxis": axis("score on validation", **ends)}
    axes = {
        "yaxis": axis("score on validation", domain=[0.28, 1], range=score_range(high, pad=0.06)),
        "yaxis2": axis("low scores", domain=[0, 0.17], range=[max(min(scores), LOWEST) - 0.08, _LOW], nticks=3),
    }
    both = [{**trace, "legendgroup": trace["name"]} for trace in traces]
    lower = [
        {**trace, "yaxis": "y2", "showlegend": False}
        for trace in both
        if any(score is not None and score < _LOW for score in trace["y"])
    ]
    return [*both, *lower], axes


def _scored(trial: TrialFacts) -> list[Any]:
    return [point for point in trial.curve if point.score is not None]


def _score(trial: TrialFacts) -> float:
    return float("-inf") if trial.score is None else trial.score


def _curves(material: Material) -> Plot:
    chosen = chosen_curves(material.trials)
    drawn = [
        _curve_trace(kind, members)
        for kind in STYLES
        if (members := [trial for trial in chosen if trial.kind == kind and _scored(trial)])
    ]
    traces, axes = on_two_scales(drawn)
    rungs = rungs_of(material)
    shapes = [vertical(epochs) for epochs in rungs]
    labels = [label_above(epochs, f"rung {place}") for place, epochs in enumerate(rungs, start=1)]
    measured = [trial for trial in chosen if _scored(trial)]
    shown = count_shown(
        measured, material.trials, lambda trial: THINNED if _scored(trial) else "without a measured score"
    )
    below = count_below([score for trace in drawn for score in trace["y"]], "measurements")
    caption = (
        f"{shown}{below} Each line is a trial, and each point is a measurement on validation. At a rung (dotted line), a trial "
        "continues only if its score is among the best so far. The gate before the rungs ends trials that collapse. Click a "
        "name in the legend to hide it."
    )
    return Plot(
        key="curves",
        label="Learning curves of the trials: score on validation by epochs, coloured by ending",
        data=traces,
        layout={
            "xaxis": axis("epochs", rangemode="tozero", anchor="y2" if "yaxis2" in axes else "y"),
            **axes,
            "legend": _LEGEND,
            "shapes": shapes,
            "annotations": labels,
            "showlegend": True,
            "hovermode": "closest",
        },
        height=460,
        caption=caption,
    )


def _curve_trace(kind: str, members: Sequence[TrialFacts]) -> Trace:
    style = STYLES[kind]
    curves: list[list[Point]] = [_scored(trial) for trial in members]
    of_trials = list(zip(members, curves, strict=True))
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{kind} ({len(members)})",
        "meta": {"trials": len(members)},
        "x": joined([numbers(point.epochs for point in curve) for curve in curves]),
        "y": joined([numbers(point.score for point in curve) for curve in curves]),
        "customdata": joined(
            [[[trial.number, show_count(point.epochs, "epoch")] for point in curve] for trial, curve in of_trials]
        ),
        "connectgaps": False,
        "opacity": style.opacity,
        "line": {"color": style.color, "width": 2.2 if kind == "finalist" else 1.2, "dash": style.dash},
        "marker": {"color": style.color, "symbol": style.symbol, "size": 5},
        "hovertemplate": "trial %{customdata[0]}<br>%{customdata[1]}<br>score %{y:.3f}<extra></extra>",
    }


def _over_time(material: Material) -> Plot:
    placed = [trial for trial in material.trials if trial.score is not None and trial.ended_s is not None]
    search = [trial for trial in placed if trial.phase == "search"]
    shown = [*thin(search, MOST_MARKS), *(trial for trial in placed if trial.phase != "search")]
    by_kind = {kind: [trial for trial in shown if trial.kind == kind] for kind in STYLES}
    traces, axes = on_two_scales([_ended_trace(kind, members) for kind, members in by_kind.items() if members])
    budget = material.space.search.seconds if material.space else None
    at_budget = [] if budget is None else [budget / 60]
    numbers_placed = {trial.number for trial in placed}
    counted = count_shown(
        shown, material.trials, lambda trial: THINNED if trial.number in numbers_placed else "without a score or an end"
    )
    below = count_below([trial.score for trial in shown], "scores")
    return Plot(
        key="over-time",
        label="Best score of each trial by the time it ended, and the best score so far",
        data=[*traces, *_best_trace(material.trials)],
        layout={
            "xaxis": axis("minutes since the run began", rangemode="tozero", anchor="y2" if "yaxis2" in axes else "y"),
            **axes,
            "legend": _LEGEND,
            "shapes": [vertical(at, dash="dash") for at in at_budget],
            "annotations": [label_above(at, "budget") for at in at_budget],
            "showlegend": True,
            "hovermode": "closest",
        },
        caption=f"{counted}{below} Each mark shows the best score of a trial and when the trial ended. The line is the best "
        "score of the search so far. Finalists' runs do not count there, because they train longer.",
    )


def _best_trace(trials: Sequence[TrialFacts]) -> list[Trace]:
    steps = best_so_far(trials)
    if not steps:
        return []
    last = max(steps[-1][0], *(trial.ended_s or 0.0 for trial in trials))
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best of the search so far",
            "x": numbers(seconds / 60 for seconds in (*(step[0] for step in steps), last)),
            "y": numbers((*(step[1] for step in steps), steps[-1][1])),
            "line": {"shape": "hv", "color": color("ink"), "width": 2},
            "hovertemplate": "best so far %{y:.3f}<br>after %{x:.1f} min<extra></extra>",
        }
    ]


def _ended_trace(kind: str, members: Sequence[TrialFacts]) -> Trace:
    style = STYLES[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": numbers((trial.ended_s or 0.0) / 60 for trial in members),
        "y": numbers(trial.score for trial in members),
        "customdata": [[trial.number, show_count(trial.epochs, "epoch")] for trial in members],
        "marker": {"color": style.color, "symbol": style.symbol, "size": 8, "opacity": style.opacity},
        "hovertemplate": "trial %{customdata[0]}<br>score %{y:.3f}<br>%{customdata[1]}<extra></extra>",
    }


def _spent(trials: Sequence[TrialFacts]) -> Plot:
    seconds: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for trial in trials:
        seconds[trial.kind] += trial.train_seconds
        counts[trial.kind] += 1
    total = sum(seconds.values()) or 1.0
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "x": [number(100 * seconds[kind] / total)],
            "y": ["training time"],
            "customdata": [
                [show_share(seconds[kind] / total), show_count(counts[kind], "trial"), show_duration(seconds[kind])]
            ],
            "marker": {"color": style.color},
            "hovertemplate": f"{kind}: %{{customdata[0]}} of the training time<br>%{{customdata[1]}}, %{{customdata[2]}}"
            "<extra></extra>",
        }
        for kind, style in STYLES.items()
        if counts[kind]
    ]
    return Plot(
        key="spent",
        label="Share of the training time by how trials ended",
        data=traces,
        layout={
            "barmode": "stack",
            "xaxis": axis("% of the training time", range=[0, 100]),
            "yaxis": axis(showticklabels=False),
            "showlegend": True,
            "legend": {"traceorder": "normal"},
        },
        height=170,
        caption=f"Where the training time went, by how trials ended. {count_shown(trials, trials, str)}",
    )
