"""The verdict: one sentence, and one figure of the champion against constant rules and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.analysis.distilled import describe_distilled
from tuner.analysis.earlier_results import describe_freshness, describe_measured, list_earlier
from tuner.analysis.leaderboard import VERDICTS, count_endings, describe_champion
from tuner.analysis.next_steps import next_steps
from tuner.report.blocks import Block, Facts, PageSection, Paragraph, Plot, Steps, sentence
from tuner.report.figures import Trace, axis, categories, color, interval, number, numbers, short_texts
from tuner.report.material import Material
from tuner.show_value import show_duration, show_on_page

_KINDS = {
    "constant": "constant rule",
    "chance": "guess by prevalence",
    "model": "baseline",
    "control": "control",
    "probe": "probe",
}


def make_section(material: Material) -> PageSection:
    """Return the verdict, or say why there is none yet."""
    run = material.run
    steps = [(step.sentence, step.command) for step in next_steps(run)]
    blocks: list[Block] = [Facts(items=_facts(material)), Steps(title="What to do next", steps=steps)]
    if run.champion.get("reason"):
        blocks.append(Paragraph(text=sentence(str(run.champion["reason"]))))
    freshness = describe_freshness(run)
    if freshness:
        blocks.append(Paragraph(text=sentence(freshness), tone="warning"))
    blocks += [Paragraph(text=missing, tone="warning") for missing in material.missing]
    if run.champion or run.baselines:
        blocks.append(_picture(material))
    return PageSection(key="verdict", title="Verdict", lead=sentence_of(material), blocks=blocks)


def sentence_of(material: Material) -> str:
    """Return the result of the run in one sentence."""
    champion = material.run.champion
    if not champion:
        best = max((trial.score for trial in material.searched if trial.score is not None), default=None)
        so_far = "no trial has a score" if best is None else f"the best score so far is {show_on_page(best)}"
        return f"There is no verdict yet: {so_far}."
    test = champion["test"]
    low, high = test["macro_f1_ci"]
    rival = _best_rival(material)
    against = f"the best baseline ({rival['name']}) has {show_on_page(rival['macro_f1'])}, and " if rival else ""
    plain = VERDICTS.get(champion["verdict"], champion["verdict"])
    return (
        f"{plain[0].upper()}{plain[1:]}: its macro-F1 is {show_on_page(test['macro_f1'])} "
        f"({show_on_page(low)} to {show_on_page(high)}); {against}"
        f"the best constant rule has {show_on_page(test['constant_macro_f1'])}."
    )


def _best_rival(material: Material) -> Mapping[str, Any] | None:
    """Return the test row of the best baseline, leaving out constant rules, the control and the probe."""
    kinds = {row["name"]: row["kind"] for row in material.run.baselines}
    test_rows = material.run.champion["test_baselines"]
    rivals = [row for row in test_rows if kinds.get(row["name"]) not in ("constant", "control", "probe")]
    return max(rivals, key=lambda row: float(row["macro_f1"]), default=None)


def _facts(material: Material) -> list[tuple[str, str]]:
    run, champion = material.run, material.run.champion
    facts = [("status", run.status)]
    if run.manifest.get("seconds") is not None:
        facts.append(("took", show_duration(run.manifest["seconds"])))
    if champion:
        facts += [
            ("macro-F1, test", show_on_page(champion["test"]["macro_f1"])),
            ("macro-F1, validation", show_on_page(champion["validation"]["macro_f1"])),
            ("skill, test", show_on_page(champion["test"]["skill"])),
            ("champion", describe_champion(champion)),
        ]
    if "judge" in champion:
        facts.append(("macro-F1, judge rows", describe_measured(champion["judge"])))
    if champion.get("earlier"):
        facts.append(("earlier verdicts, macro-F1 on test", list_earlier(champion["earlier"])))
    if (distilled := describe_distilled(run)) is not None:
        facts.append(("distilled", distilled))
    if run.plan:
        facts.append(("plan", run.plan["sentence"].removeprefix("plan: ")))
    counts = sorted(count_endings(run).items(), key=lambda item: -item[1])
    if counts:
        endings = ", ".join(f"{count:,} {ending}" for ending, count in counts)
        runs = sum(trial.phase != "search" for trial in material.trials)
        of_finalists = f"; {runs:,} more from finalists" if runs else ""
        facts.append(("trials", f"{sum(count for _, count in counts):,}: {endings}{of_finalists}"))
    return facts


def _picture(material: Material) -> Plot:
    run, champion = material.run, material.run.champion
    kinds = {row["name"]: row["kind"] for row in run.baselines}
    on_test = {row["name"]: row for row in champion.get("test_baselines", ())}
    on_validation = {row["name"]: row["validation"]["macro_f1"] for row in run.baselines}
    names = sorted(on_validation, key=lambda name: float(on_validation[name]), reverse=True)
    shown = {
        name: f"{short} ({kinds[name]})" if kinds.get(name) in ("control", "probe") else short
        for name, short in zip(names, short_texts(names, longest=34), strict=True)
    }
    height = 150 + 42 * len(names)
    order = [*(["champion"] if champion else []), *(shown[name] for name in names)]
    traces: list[Trace] = [
        _split_trace("validation", names, shown, on_validation, champion),
        *([_split_trace("test", names, shown, _test_values(on_test), champion)] if champion else []),
    ]
    if champion:
        traces.append(_ahead_trace([on_test[name] for name in names if name in on_test], shown))
    layout: dict[str, Any] = {
        "yaxis": categories(order),
        "xaxis": axis("macro-F1", rangemode="tozero", domain=[0, 0.54] if champion else [0, 1]),
        "showlegend": True,
    }
    if champion:
        layout["xaxis2"] = axis("champion ahead by, on test", domain=[0.62, 1], rangemode="tozero", anchor="y2")
        layout["yaxis2"] = categories(order, showticklabels=False, anchor="x2")
    return Plot(
        key="verdict",
        label="Macro-F1 of the champion, the constant rules and the baselines",
        data=traces,
        layout=layout,
        height=height,
        narrow={
            "height": 2 * height,
            "xaxis": {"domain": [0, 1]},
            "yaxis": {"domain": [0.58, 1]},
            "xaxis2": {"domain": [0, 1]},
            "yaxis2": {"domain": [0, 0.4], "showticklabels": True, "tickfont": {"size": 10}},
        }
        if champion
        else {},
        caption=_caption(champion, kinds),
    )


def _test_values(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: row["macro_f1"] for name, row in rows.items()}


def _split_trace(
    split: str,
    names: Sequence[str],
    shown: Mapping[str, str],
    values: Mapping[str, float],
    champion: Mapping[str, Any],
) -> Trace:
    rows = [(shown[name], values[name], values[name], values[name]) for name in names if name in values]
    if champion:
        measured = champion[split]
        rows.insert(0, ("champion", measured["macro_f1"], *measured["macro_f1_ci"]))
    xs = [row[1] for row in rows]
    is_test = split == "test"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": split,
        "x": numbers(xs),
        "y": [row[0] for row in rows],
        "error_x": interval(xs, [row[2] for row in rows], [row[3] for row in rows]),
        "marker": {
            "size": 11 if is_test else 9,
            "symbol": "circle" if is_test else "circle-open",
            "color": color("accent" if is_test else "muted"),
            "line": {"width": 2},
        },
        "hovertemplate": f"%{{y}}<br>{split} macro-F1 %{{x:.3f}}<extra></extra>",
    }


def _ahead_trace(rows: Sequence[Mapping[str, Any]], shown: Mapping[str, str]) -> Trace:
    values = [row["champion_ahead"] for row in rows]
    lows, highs = ([row["champion_ahead_ci"][end] for row in rows] for end in (0, 1))
    colors = [
        color("good") if low > 0 else color("bad") if high < 0 else color("muted")
        for low, high in zip(lows, highs, strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "champion ahead by",
        "showlegend": False,
        "xaxis": "x2",
        "yaxis": "y2",
        "x": numbers(values),
        "y": [shown[row["name"]] for row in rows],
        "error_x": interval(values, lows, highs),
        "marker": {"size": 10, "symbol": "diamond", "color": colors},
        "customdata": [[number(low), number(high)] for low, high in zip(lows, highs, strict=True)],
        "hovertemplate": "%{y}<br>ahead by %{x:.3f}<br>95 %: %{customdata[0]:.3f} to %{customdata[1]:.3f}<extra></extra>",
    }


def _caption(champion: Mapping[str, Any], kinds: Mapping[str, str]) -> str:
    explanations = [
        f"{name} is a {_KINDS.get(kind, kind)}"
        for name, kind in kinds.items()
        if kind in ("chance", "control", "probe")
    ]
    first = (
        "The first plot shows macro-F1 on validation (hollow) and on test (filled). The test split was used only once. The "
        "second plot shows how far the champion is ahead on the same test rows. Bars are 95 % intervals. If an interval "
        "contains zero, these rows do not show which of the two is better."
        if champion
        else "Results on validation. The test split stays sealed until there is a champion."
    )
    return f"{first} {sentence('; '.join(explanations))}" if explanations else first
