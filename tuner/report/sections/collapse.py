"""The collapse map: settings with which trials collapse or diverge, and a smaller space without the worst of them."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.analysis.failing_settings import Cell, FailingSettings, find_failing_settings, judged, lost_share
from tuner.analysis.trials import TrialFacts
from tuner.analysis.tried_settings import short_name
from tuner.report.blocks import Block, Code, PageSection, Paragraph, Plot
from tuner.report.counts import count_shown
from tuner.report.figures import Trace, axis, categories, color, interval, label_above, numbers, short_texts, vertical
from tuner.report.material import Material
from tuner.show_value import show_count, show_share

_MOST_ROWS = 45


def make_section(material: Material) -> PageSection | None:
    """Return the collapse map, or None before a trial has begun."""
    trials = judged(material.searched)
    if not trials:
        return _without_trials(material)
    whole = lost_share(trials)
    lead = (
        f"{whole.lost:,} of {show_count(whole.trials, 'trial')} collapsed or diverged: {show_share(whole.value)} "
        f"(95 % interval {show_share(whole.low)} to {show_share(whole.high)})."
    )
    failing = find_failing_settings(trials, material.space)
    blocks: list[Block] = []
    if whole.lost and failing.cells:
        blocks.append(_map(failing.cells, whole.value, count_shown(trials, material.trials, _why_not_judged)))
    blocks += _cut(material, failing)
    return PageSection(key="collapse", title="Collapse map", lead=lead, blocks=blocks)


def _without_trials(material: Material) -> PageSection | None:
    text = "Every trial failed, was cut short or still runs, so nothing is known about settings that collapse."
    return (
        PageSection(key="collapse", title="Collapse map", blocks=[Paragraph(text=text)]) if material.searched else None
    )


def chosen_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells to draw: parameters with the largest gaps between settings first, until the figure is full."""
    by_name: dict[str, list[Cell]] = {}
    for cell in cells:
        by_name.setdefault(cell.setting.name, []).append(cell)
    ranked = sorted(by_name.values(), key=lambda cells_of_name: -max(_gap(cell) for cell in cells_of_name))
    kept: list[Cell] = []
    for cells_of_name in ranked:
        if len(kept) + len(cells_of_name) <= _MOST_ROWS:
            kept += cells_of_name
    return kept


def _gap(cell: Cell) -> float:
    """Return the gap between the interval of a cell and the interval of the others; negative if the two overlap."""
    return cell.share.low - cell.others.high


def _why_not_judged(trial: TrialFacts) -> str:
    return "from finalists" if trial.phase != "search" else "that failed, were cut short or still run"


def _map(cells: Sequence[Cell], whole: float, counted: str) -> Plot:
    kept = chosen_cells(cells)
    plain = short_texts([f"{short_name(cell.setting.name)} = {cell.setting.shown}" for cell in kept], longest=56)
    names = [f"{name.replace(' = ', ' = <b>', 1)}</b>" for name in plain]
    colors = [color("collapsed") if cell.is_worse else color("muted") for cell in kept]
    shares = [100 * cell.share.value for cell in kept]
    trace: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "share lost",
        "x": numbers(shares),
        "y": names,
        "error_x": interval(shares, [100 * cell.share.low for cell in kept], [100 * cell.share.high for cell in kept]),
        "customdata": [[cell.share.lost, show_count(cell.share.trials, "trial")] for cell in kept],
        "marker": {"size": 9, "color": colors, "symbol": ["x" if cell.is_worse else "circle" for cell in kept]},
        "hovertemplate": "%{y}<br>%{customdata[0]} of %{customdata[1]} lost (%{x:.0f} %)<extra></extra>",
    }
    left_out = len({cell.setting.name for cell in cells} - {cell.setting.name for cell in kept})
    omitted = f" Parameters left out because their settings differ less: {left_out}." if left_out else ""
    return Plot(
        key="collapse",
        label="Share of trials that collapsed or diverged, by setting",
        data=[trace],
        layout={
            "xaxis": axis("% of the trials that collapsed or diverged", range=[-2, 102]),
            "yaxis": categories(names),
            "shapes": [vertical(100 * whole)],
            "annotations": [label_above(100 * whole, "all trials")],
            "showlegend": False,
        },
        height=110 + 24 * len(kept),
        narrow={"height": 110 + 46 * len(kept)},  # names in several lines
        caption=f"{counted} Bars are Wilson's 95 % intervals. A cross marks a setting that lost clearly more trials: its "
        "interval lies above the interval of all other trials with the parameter. About one setting in a hundred gets a cross "
        f"by chance.{omitted}",
    )


def _cut(material: Material, failing: FailingSettings) -> list[Block]:
    if material.space is None:
        return []
    if not failing.cuts:
        return [Paragraph(text="No setting is clearly worse than the others, so no cut is suggested.", tone="note")]
    caption = (
        "Suggested cut of the space. These lines leave out the marked settings; put them in place of yours. Each parameter is "
        "cut by itself. If two settings are bad only together, one of the two cuts may be enough."
    )
    return [Code(text=failing.cut_lines, caption=caption)]
