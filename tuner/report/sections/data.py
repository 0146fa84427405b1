"""The data: counts, co-occurrence, lengths, unknown and truncated shares, copies and overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.analysis.trials import known
from tuner.report.blocks import Block, PageSection, Paragraph, Plot, Table, sentence, table_of
from tuner.report.counts import count_shown
from tuner.report.figures import Trace, axis, categories, color, heatmap, log_axis, numbers, short_texts
from tuner.report.material import Material
from tuner.show_value import show_count, show_share

_SPLITS = {"train": "series-1", "validation": "series-2", "test": "series-3"}
_MOST_LABELS = 40
_STATIC = {
    "unknown_share": "validation tokens missing from the vocabulary",
    "truncated_share": "validation rows cut by max_length",
    "empty_share": "validation rows without a known token",
    "vocabulary_found": "vocabulary words with a pre-trained vector",
}


def make_section(material: Material) -> PageSection | None:
    """Describe the data; None if the ledger says nothing about it."""
    data, profile = material.run.environment.get("data", {}), material.run.profile
    if not data and not profile:
        return None
    blocks: list[Block] = [_table(material)]
    blocks += _counts(_label_counts(material))
    if profile:
        blocks.append(_lengths(profile))
        if profile.get("cooccurrence"):
            blocks.append(_cooccurrence(profile["cooccurrence"]))
    shares = _shares(material)
    if shares is not None:
        blocks.append(shares)
    notes = dict.fromkeys([*profile.get("notes", ()), *data.get("notes", ())])
    blocks += [Paragraph(text=sentence(str(note)), tone="note") for note in notes]
    return PageSection(key="data", title="The data", blocks=blocks)


def _label_counts(material: Material) -> dict[str, dict[str, int]]:
    """Count the rows with each label in each split, from the profile or, without a profile, from the environment."""
    splits = material.run.profile.get("splits")
    if splits:
        return {name: dict(split["labels"]) for name, split in splits.items()}
    data = material.run.environment.get("data", {})
    return {
        name: dict(zip(data["labels"], counts, strict=True)) for name, counts in data.get("label_counts", {}).items()
    }


def _table(material: Material) -> Table:
    profile = material.run.profile
    splits = profile.get("splits", {})
    rows = []
    unit = next((split["lengths"]["unit"] for split in splits.values()), "words")
    for name, count in material.run.environment.get("data", {}).get("rows", {}).items():
        split = splits.get(name, {})
        per_row = split.get("labels_per_row", {})
        rows.append(
            {
                "split": name,
                "rows": count,
                "mean": per_row.get("mean"),
                "most": per_row.get("max"),
                "none": per_row.get("none"),
                "empty": split.get("empty_rows"),
                "duplicates": split.get("duplicates"),
                "conflicting": split.get("conflicting_duplicates"),
                "overlap": profile.get("overlap", {}).get(name),
                "unknown": _percent(profile.get("unknown_words", {}).get(name)),
            }
        )
    columns = {
        "split": "split",
        "rows": "rows",
        "mean": "labels per row",
        "most": "most labels",
        "none": "without a label",
        "empty": "empty",
        "duplicates": "copies of earlier rows",
        "conflicting": "copies with other labels",
        "overlap": "also in train",
        "unknown": f"{unit} not in train",
    }
    return table_of(rows, columns)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _counts(counts: Mapping[str, Mapping[str, int]]) -> list[Plot]:
    if not counts:
        return []
    first = next(iter(counts.values()))
    kept = sorted(first, key=lambda name: -first[name])[:_MOST_LABELS]
    shown = short_texts(kept, longest=28)
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": split,
            "x": [rows_by_label.get(name, 0) for name in kept],
            "y": shown,
            "marker": {"color": color(_SPLITS.get(split, "series-4")), "size": 9},
            "hovertemplate": f"%{{y}}<br>%{{x:,}} rows of {split}<extra></extra>",
        }
        for split, rows_by_label in counts.items()
    ]
    present = [rows for of_split in counts.values() for name in kept if (rows := of_split.get(name, 0))] or [1]
    left_out = f" The {len(first) - len(kept)} rarest labels are left out." if len(first) > len(kept) else ""
    return [
        Plot(
            key="label-counts",
            label="Rows of each label by split",
            data=traces,
            layout={
                "xaxis": log_axis(min(present), max(present), "rows"),
                "yaxis": categories(shown),
                "showlegend": True,
            },
            height=140 + 24 * len(kept),
            caption=f"Number of rows with each label, on a log scale.{left_out}",
        )
    ]


def _lengths(profile: Mapping[str, Any]) -> Plot:
    splits = profile["splits"]
    unit = next(iter(splits.values()))["lengths"]["unit"]
    traces: list[Trace] = []
    for name, split in splits.items():
        lengths = split["lengths"]
        tone = color(_SPLITS.get(name, "series-4"))
        traces.append(
            {
                "type": "box",
                "orientation": "h",
                "name": name,
                "y": [name],
                **{key: [lengths[q]] for key, q in (("lowerfence", "5"), ("q1", "25"), ("median", "50"), ("q3", "75"))},
                "upperfence": [lengths["95"]],
                "line": {"color": tone},
                "hoverinfo": "x",
            }
        )
    return Plot(
        key="lengths",
        label=f"Lengths of rows in {unit} by split",
        data=traces,
        layout={
            "xaxis": axis(f"{unit} per row", rangemode="tozero"),
            "yaxis": categories(list(splits)),
            "showlegend": False,
        },
        height=110 + 50 * len(traces),
        caption=f"Row lengths in {unit}. The box covers the middle half of the rows, and the whiskers cover 90 %. The longest "
        f"row has {max(split['lengths']['100'] for split in splits.values()):,} {unit}.",
    )


def _cooccurrence(cooccurrence: Mapping[str, Any]) -> Plot:
    names = short_texts(cooccurrence["labels"], longest=22)
    counts = cooccurrence["counts"]
    rows_with_label = [max(1, row[place]) for place, row in enumerate(counts)]
    shares = [
        [None if one == other else cell / rows_with_label[one] for other, cell in enumerate(row)]
        for one, row in enumerate(counts)
    ]
    hover_texts = [
        [f"{show_count(cell, 'row')}, {show_share(cell / rows_with_label[one])}" for cell in row]
        for one, row in enumerate(counts)
    ]
    hover = "of the rows with %{y},<br>%{hovertext}, also have %{x}"
    return Plot(
        key="cooccurrence",
        label="How often labels occur together in the training rows",
        data=[heatmap(names, shares, counts, title="%", hover=hover, hover_texts=hover_texts)],
        layout={
            "xaxis": axis(type="category", tickangle=-45, showgrid=False),
            "yaxis": axis(type="category", autorange="reversed", showgrid=False),
        },
        height=200 + 24 * len(names),
        least_width=min(1040, 280 + 16 * len(names)),
        caption="Of the training rows with the label on the left, the share that also have the label below.",
    )


def _shares(material: Material) -> Table | None:
    """Show what vocabularies and length limits did to the rows: for the champion, and the least and most over trials."""
    champion = material.run.champion.get("trial")
    rows = []
    for key, words in _STATIC.items():
        values = {row["trial"]: known(row.get(key)) for row in material.run.trials}
        present = [value for value in values.values() if value is not None]
        if present:
            least, most = (_percent(value) for value in numbers((min(present), max(present))))
            of_champion = _percent(values.get(champion)) if champion is not None else None
            rows.append({"share": words, "least": least, "most": most, "champion": of_champion})
    if not rows:
        return None
    columns = {"share": "share of", "champion": "champion", "least": "least over trials", "most": "most over trials"}
    caption = "What a trial's vocabulary and length limit did to the rows."
    return table_of(rows, columns, caption=f"{caption} {_count_trials(material)}")


def _count_trials(material: Material) -> str:
    counted = {row["trial"] for row in material.run.trials if any(known(row.get(key)) is not None for key in _STATIC)}
    trials = material.trials
    return count_shown(
        [trial for trial in trials if trial.number in counted],
        trials,
        lambda _: "that did not measure it",
        verb="Over",
    )
