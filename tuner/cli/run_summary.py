"""Print a run's results, for show, run and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.output import (
    DROP_OF_LABELS,
    LABEL_COLUMNS,
    Format,
    captured,
    print_advice,
    print_json,
    print_rows,
    print_sentence,
    print_table,
    print_text,
    say,
)
from tuner.show_value import show_count, show_duration

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run

_LEADERBOARD_ROWS = 12
_DROP = {
    "leaderboard": (
        "node",
        "epochs",
        "lower",
        "score_spread",
        "constant_penalty",
        "ending",
        "skill",
        "macro_f1",
        "kind",
        "rank",
    ),
    "alternatives": ("s / 1,000 rows", "models", "validation", "ahead", "test 95 %"),
    "members": ("weight",),
    "champion": ("above chance 95 %", "above_chance", "skill 95 %", "constant_penalty", "skill", "score", "rows"),
    "baselines": ("macro_f1", "95 %"),
    "importance": ("in force", "high", "low"),
    "collapse": ("high", "low", "worse", "collapsed"),
    "most_wrong": ("loss", "row", "decided"),
}
"""The order in which a narrow terminal leaves the columns of each table out."""


def print_run(location: str, format_: Format, *, is_all: bool = False) -> Run:
    """Read a run, print it and return it. With `is_all`, print everything that the report page shows.

    Warnings name the files of a damaged run that cannot be read; the rest is printed. Raises LedgerError if there is no rest.
    """
    from tuner.ledger.damaged_run import use_what_can_be_read

    def show(run: Run) -> tuple[str, str]:
        described = _describe(run, location, is_all=is_all)
        board = captured(lambda: _print_described(run, described, "table"))  # fails on a champion.json that is not one
        if format_ != "table":
            board = captured(lambda: _print_described(run, described, format_))
        return described["status"], board

    (status, shown), run = use_what_can_be_read(location, show)
    for fault in run.damaged:
        say(f"warning: {fault}")
    click.echo(shown, nl=False)
    if format_ == "table" and status == "running":
        say("\na process is at work on this run; these are its results so far")
    elif format_ == "table" and status != "finished" and not any("manifest.json" in each.where for each in run.damaged):
        _say_how_to_resume(run)
    return run


def _print_described(run: Run, described: dict[str, Any], format_: Format) -> None:
    from tuner.analysis.distilled import describe_distilled
    from tuner.analysis.leaderboard import COLUMNS

    if format_ == "json":
        print_json(described)
    elif format_ == "csv":
        print_rows(described["leaderboard"], COLUMNS, "csv")
    else:
        _print_summary(described)
        if (distilled := describe_distilled(run)) is not None:
            print_sentence(f"distilled: {distilled}")
        if "evidence" in described:
            _print_evidence(described["evidence"])
        _print_earlier(run)


def _print_earlier(run: Run) -> None:
    """Print what the run had reached before it was given more, and whether its test rows had been seen."""
    from tuner.analysis.earlier_results import describe_earlier, describe_freshness

    for result in run.champion.get("earlier", ()):
        print_sentence(f"earlier: {describe_earlier(result)}")
    freshness = describe_freshness(run)
    if freshness:
        print_sentence(f"note: {freshness}")
    if run.is_being_extended:
        print_sentence(
            "note: the run is being extended, or this was cut off; its champion and verdict are the earlier ones"
        )


def _describe(run: Run, location: str, *, is_all: bool) -> dict[str, Any]:
    """Return the run as JSON values."""
    from tuner.analysis.leaderboard import describe_run
    from tuner.diagnosis.causes.diagnose import as_json, diagnose
    from tuner.diagnosis.readers.run import read_evidence
    from tuner.ledger.run_directory import current_status
    from tuner.storage import join

    diagnosis = as_json(diagnose(read_evidence(run))) if run.champion else None
    described = {**describe_run(run), "status": current_status(run), "diagnosis": diagnosis}
    if described["champion"]:  # the ledger holds the path at the time of the search; the run may have moved
        described["champion"]["bundle"] = join(location, "champion")
    if is_all:
        from tuner.analysis.details import run_details

        described["evidence"] = run_details(run)
    return described


def _say_how_to_resume(run: Run) -> None:
    from tuner.ledger.longer_search import command_to_resume

    cut = "the run was cut off, or has lost its manifest.json; " if run.champion else "the run was cut off; "
    state = cut if run.status == "unfinished" else ""
    say(f"\n{state}resume it with `{command_to_resume(run)}`")


def _print_evidence(evidence: dict[str, Any]) -> None:
    for key, title in (
        ("importance", "what mattered, each setting on its own"),
        ("collapse", "where trials collapsed"),
        ("most_wrong", "most wrong test rows"),
    ):
        if evidence[key]:
            print_text("")
            print_table(evidence[key], tuple(evidence[key][0]), title=title, drop=_DROP[key])
    if evidence["cut"]:
        print_text(f"\nsuggested narrower space:\n{evidence['cut']}")
    if evidence["data"]:
        print_text("\nthe data")
    for line in evidence["data"]:
        print_sentence(f"  {line}")


def _print_summary(run: dict[str, Any]) -> None:
    from tuner.analysis.leaderboard import COLUMNS

    endings = ", ".join(f"{count} {ending}" for ending, count in run["trials"].items())
    duration = f" in {show_duration(run['seconds'])}" if run["seconds"] is not None else ""
    print_sentence(f"{run['name']}: {run['status']}{duration}{_describe_end(run)}; trials: {endings or 'none'}")
    if run["plan"]:
        print_sentence(run["plan"]["sentence"])
    if run["error"]:
        print_sentence(f"error: {run['error']}")
    if run["failures"]:
        print_sentence(f"warning: {run['failures']}")
    board = run["leaderboard"]
    if board:
        hidden = ("runs", "configuration", *(() if len(run["nodes"]) > 1 else ("node",)))
        candidates = [column for column in COLUMNS if column not in hidden]
        columns = [column for column in candidates if any(row.get(column) is not None for row in board)]
        print_text("")
        print_table(_top_rows(board), columns, title="leaderboard, on validation", drop=_DROP["leaderboard"])
    control = next((row for row in run["baselines"] if row["kind"] == "control"), None)
    if control:
        score = control["validation"]["macro_f1"]
        print_sentence(
            f"\ncontrol: {control['name']} has macro-F1 {score:.3f} on validation; "
            "a model that is no better has learnt nothing"
        )
    if run["champion"]:
        _print_champion(run["champion"])
        _print_verdict(run)


def _describe_end(run: dict[str, Any]) -> str:
    if run["ended_by"] == "settings":
        settings = "its only setting" if run["settings"] == 1 else f"all {run['settings']:,} settings"
        return f"; the search ended after {settings} had been tried"
    return f"; the search stopped at its {run['ended_by']} budget" if run["ended_by"] in ("time", "cost") else ""


def _print_verdict(run: dict[str, Any]) -> None:
    from tuner.analysis.leaderboard import VERDICTS
    from tuner.diagnosis.causes.advice import advice_by_cause

    print_sentence(f"\nverdict: {run['verdict']}: {VERDICTS[run['verdict']]}")
    print_sentence(f"reason: {run['reason']}")
    print_sentence(f"diagnosis: {run['diagnosis']['state']}: {run['diagnosis']['sentence']}")
    causes = run["diagnosis"]["causes"]
    for cause, advice in zip(causes, advice_by_cause(causes), strict=True):
        print_sentence(f"  {cause['name'].replace('_', ' ')}: {cause['sentence']}")
        print_advice(advice, "    ")
    print_text(f"bundle: {run['champion']['bundle']}")


def _top_rows(board: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the best rows, and all baselines and finalists, whatever their rank."""
    return [row for row in board if row["rank"] <= _LEADERBOARD_ROWS or row["kind"] != "trial"]


def _non_default(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that differ from the defaults."""
    from tuner.samplers.random import RandomSampler
    from tuner.space.domains import default_domain
    from tuner.space.parameters import PARAMETERS

    parameters = PARAMETERS["text" if "tokens" in configuration else "sequence"]
    defaults = RandomSampler({name: default_domain(each) for name, each in parameters.items()}, seed=0).ask(0)
    return {name: value for name, value in configuration.items() if defaults.get(name) != value}


def _print_champion(champion: dict[str, Any]) -> None:
    from tuner.analysis.committee import is_committee
    from tuner.analysis.leaderboard import describe_champion

    lead = f"; trial {champion['trial']} leads it" if is_committee(champion) else ""
    best = f"best at {show_count(champion['epochs'], 'epoch')}"
    print_sentence(f"\nchampion: {describe_champion(champion)}{lead}, {best}")
    settings = ", ".join(f"{name}={_setting_value(value)}" for name, value in _non_default(champion["config"]).items())
    print_sentence(f"  {f'{settings}; all other settings' if settings else 'all settings'} at their defaults")
    print_sentence(f"  selection: {_selection_line(champion)}")
    _print_committee(champion)
    print_text("")
    _print_health(champion["health"])
    splits = [split for split in ("validation", "test", "judge") if split in champion]
    rows = [_split_row(split, champion[split]) for split in splits]
    print_table(rows, tuple(rows[0]), title="champion", drop=_DROP["champion"])
    for split in splits:
        for note in champion[split].get("notes", ()):
            print_sentence(f"  {split}: {note}")
    print_text("")
    leads = [
        {
            "baseline": row["name"],
            "macro_f1": row["macro_f1"],
            "champion ahead by": row["champion_ahead"],
            "95 %": _interval(row["champion_ahead_ci"]),
        }
        for row in champion["test_baselines"]
    ]
    columns = ("baseline", "macro_f1", "champion ahead by", "95 %")
    print_table(leads, columns, title="baselines, on test", drop=_DROP["baselines"])
    print_text("")
    title = "champion per label, on test"
    print_table(champion["test"]["labels"], LABEL_COLUMNS, title=title, drop=DROP_OF_LABELS)


def _print_committee(champion: dict[str, Any]) -> None:
    """Print single, committee and blend side by side, and what each member of a committee adds."""
    from tuner.analysis.committee import (
        ALTERNATIVES,
        MEMBERS,
        NO_BASIS,
        explain_choice,
        list_alternatives,
        list_members,
    )

    reason, alternatives, members = explain_choice(champion), list_alternatives(champion), list_members(champion)
    if reason:
        print_sentence(f"  {reason}")
    if len(alternatives) > 1:
        print_text("")
        print_table(alternatives, tuple(ALTERNATIVES), title="champions side by side", drop=_DROP["alternatives"])
        print_sentence(f"  {NO_BASIS}")
    if members:
        print_text("")
        print_table(members, tuple(MEMBERS), title="members, score on validation", drop=_DROP["members"])


def _print_health(health: dict[str, Any]) -> None:
    """Print the health figures at the champion's best measurement that are known, each with a judgement in words."""
    from tuner.diagnosis.causes.health import judge_health

    rows = [
        {"measure": each.name.replace("_", " "), "value": f"{each.value:.4g}", "judgement": each.judgement}
        for each in judge_health(health)
    ]
    if rows:
        print_table(rows, ("measure", "value", "judgement"), title="health of the champion", below=("judgement",))
    else:
        why = ", because its weights are from another moment than its score in the leaderboard"
        print_sentence(f"health of the champion: not known{'' if health else why}")
    print_text("")


def _split_row(split: str, measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "split": split,
        "rows": measures["rows"],
        **{key: measures[key] for key in ("score", "macro_f1")},
        "macro_f1 95 %": _interval(measures["macro_f1_ci"]),
        **{key: measures[key] for key in ("constant_penalty", "skill")},
        "skill 95 %": _interval(measures["skill_ci"]),
        "above_chance": measures["above_chance"],
        "above chance 95 %": _interval(measures["above_chance_ci"]),
    }


def _selection_line(champion: dict[str, Any]) -> str:
    """Return how the champion's settings did with other seeds, and how many finalists are clearly behind."""
    from tuner.analysis.leaderboard import describe_runs_without_model, describe_selection

    parts = [describe_selection(champion)]
    differences = champion["finalist_differences"]
    if differences:
        ahead = sum(row["low"] > 0 for row in differences)
        parts.append(f"clearly ahead of {ahead} of {len(differences)} other finalists")
    parts.append(describe_runs_without_model(champion))
    return "; ".join(part for part in parts if part)


def _interval(bounds: list[float]) -> str:
    return "{:.3f} to {:.3f}".format(*bounds)


def _setting_value(value: Any) -> str:
    from tuner.space.assignment import yaml_value

    return f"{value:.4g}" if isinstance(value, float) else yaml_value(value)
