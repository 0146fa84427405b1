"""What mattered: the importance of each hyperparameter, slices through the space, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

import numpy as np
from scipy import stats

from tuner.analysis.importance import FEWEST_TRIALS, MOST_TRIALS, Importance, importances
from tuner.analysis.trials import TrialFacts, thin
from tuner.analysis.tried_settings import (
    TriedSetting,
    is_numeric,
    logarithmic,
    settings_of,
    short_name,
    show_setting,
    varied,
)
from tuner.report.blocks import Block, Heading, PageSection, Paragraph, Plot
from tuner.report.coordinates import parallel_coordinates
from tuner.report.counts import count_shown, why_unscored
from tuner.report.figures import (
    STYLES,
    Trace,
    axis,
    categories,
    color,
    count_below,
    interval,
    log_axis,
    number,
    numbers,
    score_range,
    short_texts,
    text,
)
from tuner.report.material import Material
from tuner.show_value import show_count, show_share

FEWEST_OF_A_SETTING = 5
"""With fewer trials of a setting, the mean of their scores is mostly chance."""
_MOST_SLICES = 8
_MOST_POINTS = 300
_MOST_BARS = 24
_LEAST_RANGE = 0.25  # of the importance axis, so that unimportant parameters have short bars


def make_section(material: Material) -> PageSection | None:
    """Show how the hyperparameters affect the score; None before a trial has begun."""
    scored = [trial for trial in material.searched if trial.score is not None]
    names = varied(scored)
    if not names:
        too_few = Paragraph(text=f"{_count_scored(len(scored))}, so no settings can be compared.")
        return PageSection(key="parameters", title="What mattered", blocks=[too_few]) if material.searched else None
    logs = logarithmic(material.space.parameters) if material.space else frozenset()
    settings = {name: comparable_settings(name, scored, is_log=name in logs) for name in names}
    weighed = [parameter for parameter in importances(scored, logarithmic=logs) if settings[parameter.name]]
    blocks: list[Block] = [_importance(weighed, material.trials) if weighed else _too_few(len(scored))]
    ranked = [parameter.name for parameter in sorted(weighed, key=lambda parameter: -parameter.value)]
    ranked += [name for name in names if name not in ranked]
    drawn = [name for name in ranked if settings[name]][:_MOST_SLICES]
    blocks += [Heading(text="Slices"), *_explain_slices(ranked, drawn, settings)]
    blocks += [_slice(name, settings[name], material.trials, is_log=name in logs) for name in drawn]
    if len(scored) >= FEWEST_OF_A_SETTING:
        blocks += [Heading(text="Parallel coordinates"), parallel_coordinates(material.trials, ranked, logs)]
    return PageSection(key="parameters", title="What mattered", blocks=blocks)


def comparable_settings(name: str, scored: Sequence[TrialFacts], *, is_log: bool) -> tuple[TriedSetting, ...]:
    """Return the settings of a parameter that enough trials had to compare their means; none if fewer than two are left."""
    tried = settings_of(name, scored, is_log=is_log)
    kept = tuple(setting for setting in tried if len(setting.trials) >= FEWEST_OF_A_SETTING)
    return kept if len(kept) > 1 else ()


def _explain_slices(
    names: Sequence[str], drawn: Sequence[str], settings: Mapping[str, Sequence[TriedSetting]]
) -> list[Paragraph]:
    """Say how to read the slices, and which parameters have none."""
    hidden = [short_name(name) for name in names if not settings[name]]
    further = len(names) - len(drawn) - len(hidden)
    sentences = [
        "Each plot shows the trials' scores against one parameter. A square is the mean of one setting or range, with its "
        "95 % interval. The other parameters vary too. A sampler that learns also tries good settings more often."
        if drawn
        else "",
        f"{further} more parameter{'s have' if further > 1 else ' has'} no plot, to keep the page short."
        if further
        else "",
        f"Not shown, because fewer than two of their settings have {FEWEST_OF_A_SETTING} trials with a score, and the mean of "
        f"fewer is mostly chance: {', '.join(hidden)}."
        if hidden
        else "",
    ]
    return [Paragraph(text=" ".join(filter(None, sentences)), tone="note")]


def mean_interval(scores: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of scores and its 95 % interval by Student's t; for a single score, that score three times."""
    values = np.asarray(scores, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def _count_scored(count: int) -> str:
    return f"{f'Only {count}' if count else 'No'} trial{'s have' if count > 1 else ' has'} a score"


def _too_few(count: int) -> Paragraph:
    needed = (
        f"It takes at least {FEWEST_TRIALS}, and two settings with {FEWEST_OF_A_SETTING} trials each, to measure how much a "
        "parameter matters."
    )
    return Paragraph(text=f"{_count_scored(count)}. {needed}", tone="warning")


def _importance(weighed: Sequence[Importance], trials: Sequence[TrialFacts]) -> Plot:
    scored = [trial for trial in trials if trial.phase == "search" and trial.score is not None]
    counted = count_shown(thin(scored, MOST_TRIALS), trials, why_unscored, verb="Based on")
    kept = [parameter for parameter in weighed if not parameter.condition][:_MOST_BARS]
    kept += [parameter for parameter in weighed if parameter.condition][: max(4, _MOST_BARS - len(kept))]
    groups = {
        "used in every trial": [parameter for parameter in kept if not parameter.condition],
        "used in some trials, and measured on those": [parameter for parameter in kept if parameter.condition],
    }
    most = max(_LEAST_RANGE, *(parameter.high for parameter in kept))
    shown = short_texts([short_name(parameter.name) for parameter in kept], longest=40)
    names = dict(zip([parameter.name for parameter in kept], shown, strict=True))
    traces: list[Trace] = [
        _importance_trace(title, members, color("accent") if place == 0 else color("second"), names)
        for place, (title, members) in enumerate(groups.items())
        if members
    ]
    return Plot(
        key="importance",
        label="Importance of each hyperparameter",
        data=traces,
        layout={
            "xaxis": axis("share of the score's variance explained", range=[0, 1.04 * most]),
            "yaxis": categories([names[parameter.name] for parameter in kept]),
            "showlegend": True,
            "barmode": "overlay",
        },
        height=150 + 26 * len(kept),
        caption=f"{counted} A bar shows how much of the variance of the trials' best scores one parameter explains by itself, by "
        "functional ANOVA. Collapsed trials count too. The shares are multiplied by how well a random forest predicts trials "
        "that it has not seen, so noise counts for nothing. Thin bars show the range over subsets of the trials. The rest, up "
        "to 1, is noise and interaction between parameters.",
    )


def _importance_trace(title: str, members: Sequence[Importance], bar: str, names: dict[str, str]) -> Trace:
    values = [parameter.value for parameter in members]
    return {
        "type": "bar",
        "orientation": "h",
        "name": title,
        "x": numbers(values),
        "y": [names[parameter.name] for parameter in members],
        "error_x": {
            **interval(values, [parameter.low for parameter in members], [parameter.high for parameter in members]),
            "color": color("ink"),
        },
        "customdata": [
            [
                text(parameter.name),
                text(parameter.condition or "in every trial"),
                parameter.trials,
                show_share(max(parameter.value, 0.0)),
            ]
            for parameter in members
        ],
        "marker": {"color": bar},
        "hovertemplate": "%{customdata[0]}<br>explains %{customdata[3]}<br>"
        "%{customdata[1]}, %{customdata[2]} trials<extra></extra>",
    }


def _slice(name: str, settings: Sequence[TriedSetting], trials: Sequence[TrialFacts], *, is_log: bool) -> Plot:
    having = [trial for setting in settings for trial in setting.trials]
    is_range = any(setting.low is not None for setting in settings)
    dots = thin(having, _MOST_POINTS)
    xs = {
        trial.number: number(trial.configuration[name]) if is_range else _spread(place, trial.number)
        for place, setting in enumerate(settings)
        for trial in setting.trials
    }
    traces = [_dots(name, kind, members, xs) for kind in STYLES if (members := [t for t in dots if t.kind == kind])]
    traces.append(_means(settings, is_range=is_range, is_log=is_log))
    xaxis = _scale(settings, is_log=is_log) if is_range else _ticks(settings)
    scores = [trial.score for trial in having if trial.score is not None]
    counted = count_shown(dots, trials, lambda trial: _why_not_in_slice(name, trial, xs.keys()))
    return Plot(
        key=f"slice-{name}",
        label=f"Score by {name}",
        data=traces,
        layout={
            "title": {"text": text(short_name(name))},
            "xaxis": xaxis,
            "yaxis": axis("score", range=score_range(scores, pad=0.08)),
        },
        height=290,
        is_half=True,
        caption=f"{counted}{count_below(scores, 'scores')}",
    )


def _why_not_in_slice(name: str, trial: TrialFacts, having: Container[int]) -> str:
    if trial.phase == "search" and trial.score is not None:
        if name not in trial.configuration:
            return "that do not use it"
        if trial.number not in having:
            return f"with a setting that fewer than {FEWEST_OF_A_SETTING} have"
    return why_unscored(trial)


def _dots(name: str, kind: str, members: Sequence[TrialFacts], xs: Mapping[int, float | int | None]) -> Trace:
    style = STYLES[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": [xs[trial.number] for trial in members],
        "y": numbers(trial.score for trial in members),
        "customdata": [[trial.number, text(show_setting(trial.configuration[name]))] for trial in members],
        "marker": {"color": style.color, "symbol": style.symbol, "size": 6, "opacity": 0.6},
        "hovertemplate": "trial %{customdata[0]}<br>%{customdata[1]}<br>score %{y:.3f}<extra></extra>",
    }


def _spread(place: int, trial_number: int) -> float:
    """Spread the trials of one setting sideways; a trial has the same offset in every figure."""
    return place + 0.5 * ((trial_number * 0.618034) % 1 - 0.5)


def _scale(settings: Sequence[TriedSetting], *, is_log: bool) -> dict[str, object]:
    """Return an axis for the range of the settings."""
    low, high = float(settings[0].low or 0.0), float(settings[-1].high or 0.0)
    if not (is_log and low > 0):
        return axis(nticks=6)
    return log_axis(low, high)


def _ticks(settings: Sequence[TriedSetting]) -> dict[str, object]:
    count = len(settings)
    return axis(
        tickmode="array",
        tickvals=list(range(count)),
        ticktext=[text(setting.shown, longest=18) for setting in settings],
        range=[-0.6, count - 0.4],
        zeroline=False,
    )


def _means(settings: Sequence[TriedSetting], *, is_range: bool, is_log: bool) -> Trace:
    drawn = [
        mean_interval([trial.score for trial in setting.trials if trial.score is not None]) for setting in settings
    ]
    xs = [_middle(setting, is_log=is_log) if is_range else place for place, setting in enumerate(settings)]
    is_ordered = is_numeric([value for setting in settings for value in setting.values])
    return {
        "type": "scatter",
        "mode": "lines+markers" if is_range or is_ordered else "markers",
        "name": "mean",
        "x": numbers(xs),
        "y": numbers(mean for mean, _, _ in drawn),
        "error_y": interval(*(list(column) for column in zip(*drawn, strict=True))),
        "customdata": [[text(setting.shown), show_count(len(setting.trials), "trial")] for setting in settings],
        "line": {"color": color("ink"), "width": 1.2},
        "marker": {"color": color("ink"), "size": 8, "symbol": "square"},
        "hovertemplate": "%{customdata[0]}<br>mean %{y:.3f} of %{customdata[1]}<extra></extra>",
    }


def _middle(setting: TriedSetting, *, is_log: bool) -> float:
    low, high = float(setting.low or 0.0), float(setting.high or 0.0)
    return math.sqrt(low * high) if is_log and low > 0 else (low + high) / 2
