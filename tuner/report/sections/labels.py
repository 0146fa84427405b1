"""Results by label: a table, precision–recall curves, the confusion matrix, and the most wrong rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.ledger.predictions import CHAMPION
from tuner.report.blocks import Block, Heading, PageSection, Paragraph, Plot, table_of
from tuner.report.figures import SERIES, Trace, axis, color, heatmap, number, numbers, short_texts, text
from tuner.report.material import Material
from tuner.report.precision_recall import precision_recall, probabilities_and_truth
from tuner.show_value import show_count, show_share

_COLUMNS = {
    "label": "label",
    "support": "support",
    "prevalence": "prevalence",
    "decision_rate": "decision rate",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1 at threshold",
    "threshold": "threshold",
    "f1_at_half": "F1 at 0.5",
    "decision_rate_at_half": "decision rate at 0.5",
    "average_precision": "average precision",
    "auc": "AUC",
}
_MOST_COUNTED = 15  # labels; with more, the counts would not fit into the cells
_MOST_WRONG = 30


def make_section(material: Material) -> PageSection | None:
    """Show the champion's results for each label on the test split; None if there is no champion."""
    champion = material.run.champion
    if not champion:
        return None
    blocks: list[Block] = [
        table_of(
            _rows(champion),
            _COLUMNS,
            caption="Results on the test split. Support is the number of rows with the label.",
        )
    ]
    blocks += [Paragraph(text=str(note), tone="warning") for note in champion["test"].get("notes", ())]
    blocks += _curves(material)
    if champion.get("confusion"):
        blocks += [Heading(text="Confusion matrix"), _confusion(champion["confusion"], material.labels)]
    if champion.get("most_wrong"):
        blocks += [Heading(text="The most wrong rows"), _most_wrong(champion["most_wrong"])]
    return PageSection(key="labels", title="Label by label", blocks=blocks)


def _rows(champion: Mapping[str, Any]) -> list[dict[str, Any]]:
    at_half = {row["label"]: row for row in champion.get("labels_at_half") or ()}
    labels = champion["test"]["labels"]
    thresholds = champion.get("thresholds") or [None] * len(labels)
    if len(thresholds) != len(labels):  # in a binary task, there may be one for the second label only
        thresholds = [None] * (len(labels) - len(thresholds)) + list(thresholds)
    rows = []
    for row, threshold in zip(labels, thresholds, strict=True):
        half = at_half.get(row["label"], {})
        more = {"f1_at_half": half.get("f1"), "decision_rate_at_half": half.get("decision_rate")}
        rows.append({**row, "threshold": threshold, **more})
    return rows


def _curves(material: Material) -> list[Block]:
    table = material.predictions.get("test")
    read = probabilities_and_truth(table, CHAMPION, len(material.labels)) if table is not None else None
    if read is None:
        return []
    curves = precision_recall(*read)
    if material.task == "binary":  # the other label's curve adds nothing
        curves = tuple(curve for curve in curves if curve.label == len(material.labels) - 1)
    by_name = {row["label"]: row for row in material.run.champion["test"]["labels"]}
    ordered = sorted(curves, key=lambda curve: -by_name.get(material.labels[curve.label], {}).get("support", 0))
    traces: list[Trace] = []
    for place, curve in enumerate(ordered):
        name = material.labels[curve.label]
        traces += _curve_traces(place, name, curve, by_name.get(name, {}))
    hidden = len(ordered) - len(SERIES)
    shown = (
        f" Only the {len(SERIES)} most frequent labels are drawn. Click another one in the legend to add it."
        if hidden > 0
        else ""
    )
    return [
        Heading(text="Precision and recall"),
        Plot(
            key="precision-recall",
            label="Precision–recall curve of each label, on test",
            data=traces,
            layout={
                "xaxis": axis("recall", range=[-0.02, 1.02]),
                "yaxis": axis("precision", range=[-0.02, 1.05]),
                "showlegend": True,
                "hovermode": "closest",
                "legend": {"maxheight": 0.25},
            },
            height=540,
            caption="Results on the test split, at every threshold. A dot marks the threshold that the champion uses; a label "
            "that it never decides has none. AP is the "
            f"average precision.{shown}",
        ),
    ]


def _curve_traces(place: int, name: str, curve: Any, row: Mapping[str, Any]) -> list[Trace]:
    line = SERIES[place % len(SERIES)]
    visible: bool | str = True if place < len(SERIES) else "legendonly"
    group = f"label-{curve.label}"
    shown = text(name, longest=28)
    curve_trace: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": f"{shown} (AP {curve.average_precision:.2f})",
        "legendgroup": group,
        "visible": visible,
        "x": numbers(curve.recall.tolist()),
        "y": numbers(curve.precision.tolist()),
        "line": {"color": line, "width": 2, "dash": "solid" if place < len(SERIES) else "dot"},
        "meta": shown,
        "hovertemplate": "%{meta}<br>recall %{x:.3f}<br>precision %{y:.3f}<extra></extra>",
    }
    if row.get("precision") is None or row.get("recall") is None or not row.get("decision_rate"):
        return [curve_trace]
    point: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": shown,
        "legendgroup": group,
        "showlegend": False,
        "visible": visible,
        "x": [number(row["recall"])],
        "y": [number(row["precision"])],
        "marker": {"color": line, "size": 10, "line": {"width": 1.5, "color": color("paper")}},
        "meta": shown,
        "hovertemplate": "%{meta} as decided<br>recall %{x:.3f}<br>precision %{y:.3f}<extra></extra>",
    }
    return [curve_trace, point]


def _confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Plot:
    names = short_texts(labels, longest=22)
    shares = [[cell / (sum(row) or 1) for cell in row] for row in matrix]
    is_small = len(names) <= _MOST_COUNTED
    hover_texts = [
        [f"{show_count(cell, 'row')}, {show_share(share)} of the true ones" for cell, share in zip(*pair, strict=True)]
        for pair in zip(matrix, shares, strict=True)
    ]
    trace: Trace = {
        **heatmap(
            names,
            shares,
            matrix,
            title="% of the<br>true rows",
            hover="truth %{y}<br>decided %{x}<br>%{hovertext}",
            hover_texts=hover_texts,
        ),
        "zmax": 100,
        **({"texttemplate": "%{text}"} if is_small else {}),
    }
    return Plot(
        key="confusion",
        label="Confusion matrix on test: truth by decision",
        data=[trace],
        layout={
            "xaxis": axis("decided", type="category", constrain="domain"),
            "yaxis": axis("truth", type="category", autorange="reversed"),
        },
        height=180 + min(560, 34 * len(names)),
        least_width=240 + min(560, 40 * len(names)),
        caption=f"Each cell {'counts' if is_small else 'stands for'} test rows. The colour is their share of all rows with the "
        f"same true label.{'' if is_small else ' Point at a cell to read its count.'}",
    )


def _most_wrong(rows: Sequence[Mapping[str, Any]]) -> Block:
    listed = [
        {
            "row": row["row"],
            "text": row.get("excerpt"),
            "truth": ", ".join(row["truth"]) or "none",
            "decided": ", ".join(row["decided"]) or "none",
            "loss": row.get("loss"),
        }
        for row in rows[:_MOST_WRONG]
    ]
    columns = {"row": "row", "text": "text", "truth": "truth", "decided": "decided", "loss": "loss"}
    caption = (
        "The test rows that the champion got most wrong, largest loss first. Read them: often, some are mislabelled."
    )
    return table_of(listed, columns, caption=caption, has_long_texts=True)
