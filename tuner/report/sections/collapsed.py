"""The collapse map: which settings trials collapse or diverge with, and the cut of the space that this suggests."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.analysis.failing_settings import Cell, collapse_map, judged, lost_share, suggest_cuts, yaml_lines
from tuner.analysis.settings import logarithmic, short_name
from tuner.report.blocks import Block, Code, Plot, Section, Text
from tuner.report.figures import Trace, axis, categories, color, interval, label_above, numbers, text, vertical
from tuner.report.material import Material
from tuner.space.parameters import PARAMETERS

_MOST_ROWS = 45


def collapse_section(material: Material) -> Section | None:
    """Return the map; None where no trial has an ending that says anything."""
    trials = judged(material.searched)
    if not trials:
        return None
    domains = material.space.parameters if material.space else {}
    whole = lost_share(trials)
    lead = (
        f"{whole.lost:,} of {whole.trials:,} trials collapsed or diverged: {whole.value:.0%} "
        f"(95 % interval {whole.low:.0%} to {whole.high:.0%})."
    )
    cells = collapse_map(trials, logarithmic=logarithmic(domains))
    blocks: list[Block] = []
    if whole.lost and cells:
        blocks.append(_map(cells, whole.value))
    blocks += _cut(material, cells)
    return Section(key="collapse", title="Collapse map", lead=lead, blocks=blocks)


def chosen_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of the parameters whose settings differ most in their share, as many as a figure can hold."""
    by_name: dict[str, list[Cell]] = {}
    for cell in cells:
        by_name.setdefault(cell.setting.name, []).append(cell)
    ranked = sorted(by_name.values(), key=lambda own: -max(_gap(cell) for cell in own))
    kept: list[Cell] = []
    for own in ranked:
        if len(kept) + len(own) <= _MOST_ROWS:
            kept += own
    return kept


def _gap(cell: Cell) -> float:
    """How far a cell's interval lies above that of the others; negative where they overlap."""
    return cell.share.low - cell.others.high


def _map(cells: Sequence[Cell], whole: float) -> Plot:
    kept = chosen_cells(cells)
    names = [
        f"{text(short_name(c.setting.name), longest=32)} = <b>{text(c.setting.shown, longest=22)}</b>" for c in kept
    ]
    colors = [color("collapsed") if cell.is_worse else color("muted") for cell in kept]
    shares = [100 * cell.share.value for cell in kept]
    trace: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "share lost",
        "x": numbers(shares),
        "y": names,
        "error_x": interval(shares, [100 * cell.share.low for cell in kept], [100 * cell.share.high for cell in kept]),
        "customdata": [[cell.share.lost, cell.share.trials] for cell in kept],
        "marker": {"size": 9, "color": colors, "symbol": ["x" if cell.is_worse else "circle" for cell in kept]},
        "hovertemplate": "%{y}<br>%{customdata[0]} of %{customdata[1]} trials lost (%{x:.0f} %)<extra></extra>",
    }
    left_out = len({cell.setting.name for cell in cells} - {cell.setting.name for cell in kept})
    told = f" {left_out} parameters whose settings differ least are left out." if left_out else ""
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
        least_width=560,
        caption="Bars are Wilson's 95 % intervals. A cross marks a setting whose interval lies wholly above that of all other "
        f"trials which had the parameter; about one setting in a hundred does so by chance.{told}",
    )


def _cut(material: Material, cells: Sequence[Cell]) -> list[Block]:
    if material.space is None:
        return []
    cuts = suggest_cuts(cells, material.space.parameters)
    if not cuts:
        none = "No setting is worse than the others beyond doubt, so no cut of the space is suggested."
        return [Text(text=none, tone="note")]
    lines = yaml_lines(cuts, PARAMETERS[material.space.inputs])
    caption = (
        "The cut that this suggests: these lines without the marked settings, to put in place of yours. Each is cut by "
        "itself; where two settings are bad only together, one of the cuts may do."
    )
    return [Code(text=lines, caption=caption)]
