"""How the champion was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.analysis.leaderboard import (
    describe_runs_without_model,
    describe_selection,
    is_search_trial,
    leaderboard,
)
from tuner.report.blocks import Block, Plot, Section, Table, Text, table_of
from tuner.report.figures import Trace, axis, categories, color, interval, numbers
from tuner.report.material import Material
from tuner.show_value import show_on_page

_MOST_ROWS = 20


def selection_section(material: Material) -> Section | None:
    """Return the finalists and the board; None while nothing has a score."""
    champion = material.run.champion
    blocks: list[Block] = []
    if champion:
        blocks += [
            *([_finalists(material)] if champion["finalists"] else []),
            *_told(champion),
            *_differences(champion),
        ]
    board = _board(material)
    if board is not None:
        blocks.append(board)
    return Section(key="selection", title="How the champion was chosen", blocks=blocks) if blocks else None


def _finalists(material: Material) -> Plot:
    champion = material.run.champion
    rows = champion["finalists"]
    scores = {trial.number: trial.score for trial in material.searched}
    crowned = None if is_search_trial(champion) else champion["parent"]
    names = [f"trial {row['trial']}{' (champion)' if row['trial'] == crowned else ''}" for row in rows]
    runs = [(score, name) for row, name in zip(rows, names, strict=True) for score in row["scores"]]
    lowest = [row["mean"] if row["lower"] is None else row["lower"] for row in rows]
    means = [row["mean"] for row in rows]
    traces: list[Trace] = [
        _marks(
            "in the search", [(scores.get(row["trial"]), n) for row, n in zip(rows, names, strict=True)], "x", "bad"
        ),
        _marks("finalist runs, one a seed", runs, "circle-open", "finalist"),
        {
            **_marks("their mean, down to its lower bound", list(zip(means, names, strict=True)), "square", "ink"),
            "error_x": interval(means, lowest, means),
        },
    ]
    return Plot(
        key="finalists",
        label="Finalists: score in the search, of each run, and their mean with its lower bound",
        data=traces,
        layout={
            "xaxis": axis("score on validation"),
            "yaxis": categories(names),
            "showlegend": True,
        },
        height=160 + 40 * len(rows),
        caption=(
            "The champion is the best model of the search itself, which scored higher than any run of the finalist with the "
            "highest lower bound. "
            if is_search_trial(champion)
            else "The champion is the best run of the finalist with the highest lower bound. "
        )
        + "In the search a trial may have been trained for longer or shorter than its runs as a finalist.",
    )


def _marks(name: str, points: Sequence[tuple[float | None, str]], symbol: str, tone: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": numbers(score for score, _ in points),
        "y": [row for _, row in points],
        "marker": {"symbol": symbol, "size": 10, "color": color(tone)},
        "hovertemplate": f"{name}<br>%{{y}}: %{{x:.3f}}<extra></extra>",
    }


def _told(champion: Mapping[str, Any]) -> list[Text]:
    """What the same settings scored with other seeds, and which scores the choice has had no part in."""
    told, lost = describe_selection(champion), describe_runs_without_model(champion)
    test = champion["test"]
    sentences = [
        f"{told[0].upper()}{told[1:]}.",
        *([f"{lost[0].upper()}{lost[1:]}."] if lost else []),
        "All these scores are on the validation rows that the champion was chosen by, so they cannot show what the choice "
        "itself has flattered. The test split had no part in it: macro-F1 "
        f"{show_on_page(test['macro_f1'])} ({show_on_page(test['macro_f1_ci'][0])} to {show_on_page(test['macro_f1_ci'][1])}).",
    ]
    return [Text(text=" ".join(sentences))]


def _differences(champion: Mapping[str, Any]) -> list[Table]:
    rows = champion.get("finalist_differences") or ()
    if not rows:
        return []
    columns = {"trial": "champion, trial", "other": "finalist, trial", "value": "ahead by", "low": "from", "high": "to"}
    told = "The champion against every other finalist on the same validation rows, over seeds and rows, with 95 % interval."
    return [table_of([dict(row) for row in rows], columns, caption=told)]


def _board(material: Material) -> Table | None:
    rows = leaderboard(material.run)
    if not rows:
        return None
    kept = [row for row in rows if row["rank"] <= _MOST_ROWS or row["kind"] != "trial"]
    columns = {
        "rank": "rank",
        "kind": "kind",
        "name": "name",
        "score": "score",
        "macro_f1": "macro-F1",
        "constant_penalty": "constant penalty",
        "skill": "skill",
        "lower": "lower bound",
        "epochs": "epochs",
        "ending": "ending",
    }
    left_out = f" {len(rows) - len(kept):,} more trials are in the ledger." if len(rows) > len(kept) else ""
    return table_of(kept, columns, caption=f"The leaderboard, on validation.{left_out}", is_folded=True)
