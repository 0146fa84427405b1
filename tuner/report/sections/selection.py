"""How the champion was chosen, and what the choice itself adds to its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.report.blocks import Block, Plot, Section, Table, Text, shown_value, table_of
from tuner.report.board import leaderboard
from tuner.report.figures import Trace, axis, categories, color, interval, numbers
from tuner.report.material import Material

_MOST_ROWS = 20


def selection_section(material: Material) -> Section | None:
    """Return the finalists and the board; None while nothing has a score."""
    champion = material.run.champion
    blocks: list[Block] = []
    if champion:
        blocks += [_finalists(material), *_bias(champion), *_differences(champion)]
    board = _board(material)
    if board is not None:
        blocks.append(board)
    return Section(key="selection", title="How the champion was chosen", blocks=blocks) if blocks else None


def _finalists(material: Material) -> Plot:
    champion = material.run.champion
    rows = champion["finalists"]
    scores = {trial.number: trial.score for trial in material.searched}
    names = [f"trial {row['trial']}{' (champion)' if row['trial'] == champion['parent'] else ''}" for row in rows]
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
        caption="The champion is the finalist with the highest lower bound, not the luckiest run.",
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


def _bias(champion: Mapping[str, Any]) -> list[Text]:
    selection = champion.get("selection")
    if not selection:
        return []
    told = (
        f"Selection bias: in the search this configuration scored {shown_value(selection['search_score'])}, trained again with "
        f"other seeds {shown_value(selection['finalist_score'])} on average, so being the best of many flattered it by "
        f"{shown_value(selection['bias'])}. On validation the second number is the one to believe, and the test split "
        f"({shown_value(champion['test']['score'])}) had no part in the choice."
    )
    return [Text(text=told)]


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
