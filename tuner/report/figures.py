"""Parts that all figures share: named colours, axes, escaped texts, rounded numbers.

A colour is a name such as "var(--completed)"; the page takes its value from the light or the dark style sheet. Each ending has a
symbol and a colour. Colour-blind people can distinguish the colours (Okabe and Ito 2008, "Color Universal Design").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Trace = dict[str, Any]


@dataclass(frozen=True)
class Style:
    """The look of one ending."""

    color: str
    symbol: str
    dash: str
    opacity: float = 0.75


STYLES: Mapping[str, Style] = {
    "completed": Style("var(--completed)", "circle", "solid", 0.9),
    "stopped": Style("var(--stopped)", "circle-open", "solid", 0.65),
    "collapsed": Style("var(--collapsed)", "x", "dot"),
    "diverged": Style("var(--diverged)", "diamond", "dash"),
    "failed": Style("var(--failed)", "triangle-down", "dashdot"),
    "cut short": Style("var(--interrupted)", "diamond-open", "solid"),
    "interrupted": Style("var(--interrupted)", "square-open", "solid"),
    "running": Style("var(--running)", "cross", "solid"),
    "finalist": Style("var(--finalist)", "star", "solid", 1.0),
}
"""Endings in the order of figures and legends. "finalist" is a finalist's run, whatever its ending."""

LOWEST = -1.0
"""Where axes of scores end. A larger `penalty_weight`, or the bound of an uncertain mean, may lie far below."""

_MOST_TICKS = 6
SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))
SEQUENTIAL = [[number / 4, f"var(--ramp-{number})"] for number in range(5)]
"""A colour scale from low to high."""


def color(name: str) -> str:
    """Return the named colour of the style sheet."""
    return f"var(--{name})"


def text(value: object, *, longest: int = 0) -> str:
    """Return a text escaped so that Plotly shows it literally, cut to `longest` characters unless that is 0."""
    plain = str(value)
    if longest and len(plain) > longest:
        plain = plain[: longest - 1] + "…"
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short_texts(values: Sequence[object], *, longest: int) -> list[str]:
    """Return texts as `text` does, all different: Plotly would draw rows of one name on top of each other."""
    shown: dict[str, None] = {}
    for value in values:
        short = text(value, longest=longest)
        place = 2
        while short in shown:
            short = text(str(value)[: longest - 4], longest=longest) + f"… {place}"
            place += 1
        shown[short] = None
    return list(shown)


def number(value: float | int | None) -> float | int | None:
    """Return a number with six significant digits, to keep the page small; None if it is not finite, as JSON requires."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def numbers(values: Iterable[float | int | None]) -> list[float | int | None]:
    """Apply `number` to each value."""
    return [number(value) for value in values]


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis with a title."""
    return {"title": {"text": title}, **more} if title else dict(more)


def log_axis(low: float, high: float, title: str = "") -> dict[str, Any]:
    """Return a log axis from `low` to `high`, both above 0, with a few ticks at round numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [tick for power in powers for step in steps if low <= (tick := step * 10.0**power) <= high]
        if len(ticks) <= _MOST_TICKS:
            break
    shown = [f"{tick:,.6g}" for tick in ticks]
    return axis(title, type="log", tickmode="array", tickvals=numbers(ticks), ticktext=shown)


def categories(names: Sequence[str], title: str = "", **more: Any) -> dict[str, Any]:
    """Return a y axis with a row for each name, the first on top."""
    array = list(reversed(names))
    ends = [-0.6, len(array) - 0.4]
    return axis(title, type="category", categoryorder="array", categoryarray=array, range=ends, **more)


def score_range(scores: Sequence[float], *, pad: float) -> list[float]:
    """Return the range of an axis of scores, wider by `pad` of it at each end. It ends at LOWEST if a score lies above."""
    low, high = min(scores), max(scores)
    if high > LOWEST:
        low = max(low, LOWEST)
    margin = pad * max(high - low, 0.05)
    return [low - margin, high + margin]


def count_below(scores: Iterable[float | None], what: str) -> str:
    """Say how many scores are not drawn because they lie below LOWEST: " The axis ends at −1; 3 of …", or ""."""
    known = [score for score in scores if score is not None]
    below = sum(score < LOWEST for score in known)
    if not below or below == len(known):
        return ""
    return f" The axis ends at −1; {below:,} of {len(known):,} {what} lie below."


def heatmap(
    names: Sequence[str],
    shares: Sequence[Sequence[float | None]],
    counts: Sequence[Sequence[int]],
    *,
    title: str,
    hover: str,
    hover_texts: Sequence[Sequence[str]],
) -> Trace:
    """Return a square heatmap of shares; `counts` are the texts for `texttemplate`, and `hover_texts` are those for `hover`.

    Plotly's heatmaps do not read custom data in `texttemplate`.
    """
    return {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": [[None if share is None else number(100 * share) for share in row] for row in shares],
        "text": [[f"{count:,}" for count in row] for row in counts],
        "hovertext": hover_texts,
        "colorscale": SEQUENTIAL,
        "zmin": 0,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": title}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": f"{hover}<extra></extra>",
    }


def joined(lines: Sequence[Sequence[Any]]) -> list[Any]:
    """Concatenate the points of several lines, with None between them, where Plotly breaks the trace."""
    points: list[Any] = []
    for line in lines:
        points += [*line, None]
    return points[:-1]


def interval(values: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> dict[str, Any]:
    """Return error bars from `lows` to `highs` around `values`. A value with equal ends gets no bar."""
    spans = list(zip(values, lows, highs, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": numbers(None if low == high else high - value for value, low, high in spans),
        "arrayminus": numbers(None if low == high else value - low for value, low, high in spans),
        "color": color("muted"),
        "thickness": 2,
        "width": 0,
    }


def vertical(at: float, *, dash: str = "dot") -> dict[str, Any]:
    """Return a vertical line across a figure."""
    line = {"color": color("faint"), "width": 1, "dash": dash}
    return {"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}


def label_above(at: float, words: str) -> dict[str, Any]:
    """Return a small label above the figure at a position on its x axis."""
    return {
        "x": at,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": words,
        "showarrow": False,
        "font": {"size": 11, "color": color("muted")},
    }
