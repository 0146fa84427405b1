"""The table of remedies in Markdown, from effects."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from experiments.remedies.catalogue import AGAIN, GROUPS, describe
from experiments.remedies.effects import LEAST_EFFECT, STANDARD_ERRORS, Effect, SetEffects, effects_of
from experiments.results import Line

_HEAD = f"""\
# What each remedy does to the score

Each remedy is one change to the base configuration that is listed below for each set; everything else stays the same. A cell is
the mean change of the validation score ± its standard deviation over seeds. The score is macro-F1 with cross-fitted thresholds
minus the constant penalty, at the best measurement of a trial with the full budget. Each seed trains on other rows or validates
on another fold, and starts from other weights. The base of the same seed is trained three times, and the mean of the three is
subtracted. No row of the test split is used.

**helps** and *harms* mean that the mean is further from zero than {STANDARD_ERRORS:g} standard errors and than
{LEAST_EFFECT:g}. The standard error comes from the spread of the cell or the noise of the set, whichever is larger. All other
changes made no difference that so many seeds can show. With this many cells, chance alone marks a few. The column "time" is the
processor time of an epoch, evaluation included, divided by the base's (the median over sets). "base": the base already has it.
"–": it was not measured; the reason is at the end.
"""


def render(lines: Iterable[Line]) -> str:
    """Return the page. Raises ValueError if no base has a score yet."""
    sets = effects_of(lines)
    if not sets:
        raise ValueError("no set has a score of its base yet, so there is nothing to compare with")
    parts = [_HEAD, _sets_table(sets), _bases(sets), _findings(sets)]
    for group in ("", *GROUPS):
        names = _names(sets, group)
        if names:
            parts.append(_group_table(group or "Nothing changed", names, sets))
    parts.append(_left_out(sets))
    return "\n".join(part for part in parts if part)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(*head), _row("---", *["---:"] * (len(head) - 1)), *(_row(*row) for row in rows)]) + "\n"


def _sets_table(sets: Sequence[SetEffects]) -> str:
    head = ("set", "training rows", "validation rows", "labels", "epochs", "seeds", "score of the base", "noise")
    rows = []
    for each in sets:
        train, validation = each.about["rows"]
        noise = "–" if each.noise is None else f"{each.noise:.3f}"
        folds = each.about.get("folds")
        judged = f"{folds} folds of them" if folds else f"{validation:,}"
        about = (f"{train:,}", judged, str(each.about["labels"]), f"{each.about['epochs']:g}", str(len(each.base)))
        rows.append((each.name, *about, f"{statistics.mean(each.base):.3f}", noise))
    return (
        "## Sets\n\n"
        + _table(head, rows)
        + "\nNoise is the typical standard deviation of a difference between two trainings that score alike.\n"
    )


def _bases(sets: Sequence[SetEffects]) -> str:
    listed = [f"- **{each.name}**: {describe(each.about.get('tree') or {}) or 'every default'}" for each in sets]
    files = sorted(set().union(*(each.vectors for each in sets)))
    read = f"\n`embedding: file` reads {', '.join(files)}.\n" if files else ""
    return "The bases, with their settings that differ from the defaults:\n\n" + "\n".join(listed) + "\n" + read


def _findings(sets: Sequence[SetEffects]) -> str:
    """Summarise how many remedies help or harm, and list those that help."""
    listed = []
    for each in sets:
        measured = [effect for name, effect in each.effects.items() if effect.outcome == "scored" and name != AGAIN]
        by_verdict: dict[str, list[Effect]] = {}
        for effect in measured:
            by_verdict.setdefault(each.verdict(effect), []).append(effect)
        counts = {
            verdict: len(by_verdict.get(verdict, ())) for verdict in ("helps", "harms", "no difference", "unsure")
        }
        summary = ", ".join(f"{count} {_COUNTED[verdict]}" for verdict, count in counts.items() if count)
        best = sorted(by_verdict.get("helps", ()), key=lambda effect: -effect.mean)
        names = "; ".join(f"{effect.remedy} {effect.mean:+.3f}" for effect in best)
        listed.append(
            f"- **{each.name}**: of {len(measured)} changes {summary}." + (f" What helps: {names}." if names else "")
        )
    return "## In short\n\n" + "\n".join(listed) + "\n"


_COUNTED = {
    "helps": "help",
    "harms": "harm",
    "no difference": "make no difference that shows",
    "unsure": "were measured with one seed only",
}


def _names(sets: Sequence[SetEffects], group: str) -> list[str]:
    """Return the remedies of a group that were measured on some set, in the order in which they ran."""
    return list(
        dict.fromkeys(
            name
            for each in sets
            for name, effect in each.effects.items()
            if effect.group == group and any(name in one.effects and _is_scored(one.effects[name]) for one in sets)
        )
    )


def _is_scored(effect: Effect) -> bool:
    return effect.outcome == "scored"


def _group_table(title: str, names: Sequence[str], sets: Sequence[SetEffects]) -> str:
    rows = [(name, *(_cell(each, each.effects.get(name)) for each in sets), _time(name, sets)) for name in names]
    return f"## {title}\n\n" + _table(("change", *(each.name for each in sets), "time"), rows)


def _cell(of_set: SetEffects, effect: Effect | None) -> str:
    if effect is None:
        return ""
    if effect.outcome != "scored":
        return {"base": "base", "left out": "–", "failed": "failed"}.get(effect.outcome, effect.outcome)
    trained = len(effect.differences)
    diverged = f"diverged in {effect.diverged}" if effect.diverged else ""
    if not trained:
        return f"*{diverged}*"
    seeds = f" ({trained} of {len(of_set.base)} seeds)" if trained < len(of_set.base) else ""
    spread = "" if effect.spread is None else f" ± {effect.spread:.3f}"
    figure = f"{effect.mean:+.3f}{spread}"
    marked = {"helps": f"**{figure} helps**", "harms": f"*{figure} harms*"}.get(of_set.verdict(effect), figure)
    return ", ".join(filter(None, (marked + seeds, diverged)))


def _time(name: str, sets: Sequence[SetEffects]) -> str:
    ratios = [
        effect.seconds_ratio
        for each in sets
        if (effect := each.effects.get(name)) is not None and effect.seconds_ratio is not None
    ]
    return f"{statistics.median(ratios):.2f}×" if ratios else ""


def _left_out(sets: Sequence[SetEffects]) -> str:
    """List what could not be measured and why, with remedies of the same reason on one line."""
    by_reason: dict[tuple[str, str], dict[str, list[str]]] = {}
    for each in sets:
        for name, effect in each.effects.items():
            if effect.outcome in ("left out", "failed"):
                by_reason.setdefault((effect.outcome, effect.reason), {}).setdefault(each.name, []).append(name)
    if not by_reason:
        return ""
    listed = [f"- {_who(of_sets)}: {outcome}: {reason}" for (outcome, reason), of_sets in by_reason.items()]
    return "## Not measured\n\n" + "\n".join(listed) + "\n"


def _who(of_sets: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"on {name} {', '.join(f'`{remedy}`' for remedy in names)}" for name, names in of_sets.items())
