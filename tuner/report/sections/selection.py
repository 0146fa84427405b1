"""How the champion was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.analysis.committee import (
    ALTERNATIVES,
    MEMBERS,
    NO_BASIS,
    describe_committee,
    explain_choice,
    is_committee,
    list_alternatives,
    list_members,
)
from tuner.analysis.leaderboard import (
    describe_runs_without_model,
    describe_selection,
    is_search_trial,
    leaderboard,
)
from tuner.report.blocks import Block, PageSection, Paragraph, Plot, Table, sentence, table_of
from tuner.report.figures import Trace, axis, categories, color, count_below, interval, numbers, score_range
from tuner.report.material import Material
from tuner.show_value import show_on_page

_MOST_ROWS = 20


def make_section(material: Material) -> PageSection | None:
    """Return the finalists and the leaderboard, or None if nothing has a score."""
    champion = material.run.champion
    blocks: list[Block] = []
    if champion:
        blocks += [
            *([_finalists(material)] if champion["finalists"] else []),
            _comparison(champion),
            *_differences(champion),
            *_committee(champion),
        ]
    board = _board(material)
    if board is not None:
        blocks.append(board)
    return PageSection(key="selection", title="How the champion was chosen", blocks=blocks) if blocks else None


def _finalists(material: Material) -> Plot:
    champion = material.run.champion
    rows = champion["finalists"]
    champion_trial = None if is_search_trial(champion) else champion["parent"]
    mark = "leads the champion" if is_committee(champion) else "champion"
    names = [f"trial {row['trial']}{f' ({mark})' if row['trial'] == champion_trial else ''}" for row in rows]
    configurations = {trial.number: trial.configuration for trial in material.searched}
    searched = [
        (trial.score, name)
        for row, name in zip(rows, names, strict=True)
        for trial in material.searched
        if trial.configuration == configurations.get(row["trial"])
    ]
    runs = [(score, name) for row, name in zip(rows, names, strict=True) for score in row["scores"]]
    lowest = [row["mean"] if row["lower"] is None else row["lower"] for row in rows]
    means = [row["mean"] for row in rows]
    drawn = [score for score in (*(score for score, _ in (*searched, *runs)), *lowest) if score is not None]
    traces: list[Trace] = [
        _marks("in the search", searched, "x", "bad"),
        _marks("finalist's runs, one per seed", runs, "circle-open", "finalist"),
        {
            **_marks("mean of the runs, with its lower bound", list(zip(means, names, strict=True)), "square", "ink"),
            "error_x": interval(means, lowest, means),
        },
    ]
    return Plot(
        key="finalists",
        label="Finalists: score in the search, score of each run, and the mean with its lower bound",
        data=traces,
        layout={
            "xaxis": axis("score on validation", range=score_range(drawn, pad=0.08)),
            "yaxis": categories(names),
            "showlegend": True,
        },
        height=160 + 40 * len(rows),
        caption=f"{_count_runs(material, len(runs))}{count_below(drawn, 'scores and lower bounds')} "
        + f"{_why(champion)} "
        + "A search trial and its finalist's runs may have trained for different numbers of epochs.",
    )


def _why(champion: Mapping[str, Any]) -> str:
    """Say why the champion, or the model that leads it, was chosen."""
    if is_committee(champion):
        return f"The champion is a {describe_committee(champion)}."
    if is_search_trial(champion):
        return (
            "The champion is the best model of the search itself: it scored higher than every run of the finalist with the "
            "highest lower bound."
        )
    return "The champion is the best run of the finalist with the highest lower bound."


def _count_runs(material: Material, shown: int) -> str:
    """Say how many runs of finalists have a mark."""
    total = sum(trial.phase != "search" for trial in material.trials)
    if total > shown:
        return f"Showing {shown} of {total} runs of finalists; left out: {total - shown} that gave no model."
    return f"Showing all {total} runs of finalists." if total > 1 else "Showing the only run of a finalist."


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


def _comparison(champion: Mapping[str, Any]) -> Paragraph:
    """Compare the champion with other seeds of its settings, and give its score on test, which the choice did not use."""
    test = champion["test"]
    low, high = test["macro_f1_ci"]
    sentences = [
        sentence(describe_selection(champion)),
        sentence(describe_runs_without_model(champion)),
        "All these scores are from the validation rows on which the champion was chosen, so they may be too high.",
        "The test split played no part in the choice. On the test split, macro-F1 is "
        f"{show_on_page(test['macro_f1'])} ({show_on_page(low)} to {show_on_page(high)}).",
    ]
    return Paragraph(text=" ".join(filter(None, sentences)))


def _differences(champion: Mapping[str, Any]) -> list[Table]:
    rows = champion.get("finalist_differences") or ()
    if not rows:
        return []
    columns = {"trial": "champion, trial", "other": "finalist, trial", "value": "ahead by", "low": "from", "high": "to"}
    caption = (
        "How far the champion is ahead of every other finalist on the same validation rows. The 95 % intervals cover seeds "
        "and rows."
    )
    return [table_of([dict(row) for row in rows], columns, caption=caption)]


def _committee(champion: Mapping[str, Any]) -> list[Block]:
    """Return single, committee and blend side by side, and what each member of a committee adds; nothing for older runs."""
    alternatives, members = list_alternatives(champion), list_members(champion)
    if len(alternatives) < 2:
        return [Paragraph(text=sentence(reason))] if (reason := explain_choice(champion)) else []
    caption = (
        f"{sentence(explain_choice(champion))} A committee averages the probabilities of its members; a blend has the linear "
        f"baseline among them. The choice is made on validation. {NO_BASIS} The last column is the cost of a prediction."
    )
    blocks: list[Block] = [table_of(alternatives, ALTERNATIVES, caption=caption)]
    if members:
        caption = (
            "Members of the champion, the leading one first. The weight is how often a member was chosen. A member adds the "
            "committee's score on validation minus the score without it; one that adds nothing there may help on other rows."
        )
        blocks.append(table_of(members, MEMBERS, caption=caption))
    return blocks


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
    left_out = f" {len(rows) - len(kept):,} more rows are in the ledger." if len(rows) > len(kept) else ""
    without = sum(trial.score is None for trial in material.searched)
    unscored = (
        f" {without:,} of {len(material.searched):,} search trials have no score, and so no row." if without else ""
    )
    return table_of(kept, columns, caption=f"Leaderboard, on validation.{left_out}{unscored}", is_folded=True)
