"""Print a run's results, for show, run and resume."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from tuner.cli.output import LABEL_COLUMNS, Format, print_json, print_rows, print_table, print_text, say
from tuner.show_value import show_value

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run

_LEADERBOARD_ROWS = 12
_HEALTH = (
    "train_score",
    "gradient_norm",
    "clip_rate",
    "gradient_ratio",
    "gate_saturation",
    "dead_units",
    "unknown_share",
)


def print_run(location: str, format_: Format, *, is_all: bool = False) -> Run:
    """Read a run, print it and return it. With `is_all`, print everything that the report page shows."""
    from tuner.analysis.leaderboard import COLUMNS
    from tuner.ledger.run_directory import read_run

    run = read_run(location)
    for fault in run.damaged:
        say(f"warning: {fault}")
    described = _describe(run, location, is_all=is_all)
    if format_ == "json":
        print_json(described)
    elif format_ == "csv":
        print_rows(described["leaderboard"], COLUMNS, "csv")
    else:
        _print_summary(described)
        if is_all:
            _print_evidence(described["evidence"])
        if run.status != "finished":
            _say_how_to_resume(run, location)
    return run


def resume_options(run: Run) -> list[str]:
    """Return the options that a resumed run needs: a larger budget, if the first one was too small."""
    settings = run.manifest.get("resume_with") or []
    settings = [settings] if isinstance(settings, str) else settings  # runs of 0.1.0 have one
    return [part for setting in settings for part in ("--set", str(setting))]


def _describe(run: Run, location: str, *, is_all: bool) -> dict[str, Any]:
    """Return the run as JSON values."""
    from tuner.analysis.leaderboard import describe_run
    from tuner.diagnosis.causes.diagnose import as_json, diagnose
    from tuner.diagnosis.readers.run import read_evidence
    from tuner.storage import join

    diagnosis = as_json(diagnose(read_evidence(run))) if run.champion else None
    described = {**describe_run(run), "diagnosis": diagnosis}
    if described["champion"]:  # the ledger holds the path at the time of the search; the run may have moved
        described["champion"]["bundle"] = join(location, "champion")
    if is_all:
        from tuner.analysis.details import run_details

        described["evidence"] = run_details(run)
    return described


def _say_how_to_resume(run: Run, location: str) -> None:
    state = (
        "the run is still going on, or was cut off; if no process works on it, " if run.status == "unfinished" else ""
    )
    say(f"\n{state}resume it with `{shlex.join(['tuner', 'resume', location, *resume_options(run)])}`")


def _print_evidence(evidence: dict[str, Any]) -> None:
    for key, title in (
        ("importance", "what mattered, each setting on its own"),
        ("collapse", "where trials collapsed"),
        ("most_wrong", "most wrong test rows"),
    ):
        if evidence[key]:
            print_text("")
            print_table(evidence[key], tuple(evidence[key][0]), title=title)
    if evidence["cut"]:
        print_text(f"\nsuggested narrower space:\n{evidence['cut']}")
    if evidence["data"]:
        print_text("\nthe data")
    for line in evidence["data"]:
        print_text(f"  {line}")


def _print_summary(run: dict[str, Any]) -> None:
    from tuner.analysis.leaderboard import COLUMNS

    endings = ", ".join(f"{count} {ending}" for ending, count in run["trials"].items())
    seconds = f" in {run['seconds']:.0f} s" if run["seconds"] is not None else ""
    print_text(f"{run['name']}: {run['status']}{seconds}{_describe_end(run)}; trials: {endings or 'none'}")
    if run["error"]:
        print_text(f"error: {run['error']}")
    board = run["leaderboard"]
    if board:
        candidates = [column for column in COLUMNS if column not in ("runs", "configuration")]
        columns = [column for column in candidates if any(row.get(column) is not None for row in board)]
        print_text("")
        print_table(_top_rows(board), columns, title="leaderboard, on validation")
    control = next((row for row in run["baselines"] if row["kind"] == "control"), None)
    if control:
        score = control["validation"]["macro_f1"]
        print_text(
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
    from tuner.diagnosis.causes.advice import advice_lines

    print_text(f"\nverdict: {run['verdict']}: {VERDICTS[run['verdict']]}")
    print_text(f"reason: {run['reason']}")
    print_text(f"diagnosis: {run['diagnosis']['state']}: {run['diagnosis']['sentence']}")
    for cause in run["diagnosis"]["causes"]:
        print_text(f"  {cause['name'].replace('_', ' ')}: {cause['sentence']}")
        for line in advice_lines(cause):
            print_text(f"    {line}")
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
    from tuner.analysis.leaderboard import describe_champion

    print_text(f"\nchampion: {describe_champion(champion)}, best at {champion['epochs']:.3g} epochs")
    settings = ", ".join(f"{name}={_setting_value(value)}" for name, value in _non_default(champion["config"]).items())
    print_text(f"  {f'{settings}; all other settings' if settings else 'all settings'} at their defaults")
    print_text(f"  selection: {_selection_line(champion)}")
    print_text(f"  health: {_health_line(champion['health'])}")
    print_text("")
    rows = [_split_row(split, champion[split]) for split in ("validation", "test")]
    print_table(rows, tuple(rows[0]), title="champion")
    for split in ("validation", "test"):
        for note in champion[split].get("notes", ()):
            print_text(f"  {split}: {note}")
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
    print_table(leads, ("baseline", "macro_f1", "champion ahead by", "95 %"), title="baselines, on test")
    print_text("")
    print_table(champion["test"]["labels"], LABEL_COLUMNS, title="champion per label, on test")


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


def _health_line(health: dict[str, Any]) -> str:
    """Return the health measures that are known at the champion's best measurement."""
    parts = [
        f"{name.replace('_', ' ')} {show_value(health[name], real='.4g')}"
        for name in _HEALTH
        if health.get(name) is not None
    ]
    return ", ".join(parts) or "not known"


def _interval(bounds: list[float]) -> str:
    return "{:.3f} to {:.3f}".format(*bounds)


def _setting_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
