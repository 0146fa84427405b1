"""ls, show: what is in the ledger."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuner.cli.output import LABEL_COLUMNS, Format, format_option, print_json, print_rows, print_table, say, tell

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run

runs_option = click.option(
    "--runs",
    default="runs",
    show_default=True,
    metavar="FOLDER",
    help="Where runs lie: a folder, or s3://, gs://, hdfs://.",
)
_BOARD_ROWS = 12
_CAUSES_TOLD = 3
_HEALTH = (
    "train_score",
    "gradient_norm",
    "clip_rate",
    "gradient_ratio",
    "gate_saturation",
    "dead_units",
    "unknown_share",
)


@click.command()
@runs_option
@format_option
@click.pass_context
def ls(context: click.Context, runs: str, format_: Format) -> None:
    """List runs.

    \b
    Example:
      tuner ls --format csv
    """
    from tuner.errors import Fault, LedgerError, UsageError
    from tuner.ledger.run_directory import list_runs, read_run
    from tuner.storage import Folder, join

    rows = []
    for name in list_runs(runs):
        try:
            with damage_told(join(runs, name)):
                rows.append(_listed(name, read_run(join(runs, name))))
        except LedgerError as error:  # of another version of tuner, say; the others are still worth a list
            rows.append({"name": name, "status": "unreadable"})
            say(f"note: {error}")
    is_named = context.get_parameter_source("runs") is not ParameterSource.DEFAULT
    if not rows and is_named and not Folder.at(runs).exists():
        told = "there is no such folder"
        raise UsageError([Fault(f"--runs {runs}", told, "check the path, or leave it out for ./runs")])
    if not rows:
        say(f"no runs in {runs}; begin one with `tuner run multilabel`")
    columns = ("name", "status", "verdict", "test_macro_f1", "trials", "seconds", "started_at")
    print_rows(rows, columns, format_)


def _listed(name: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "status": run.status,
        "verdict": run.champion.get("verdict"),
        "test_macro_f1": run.champion.get("test", {}).get("macro_f1"),
        "trials": sum(row["phase"] == "search" for row in run.trials),
        "seconds": run.manifest.get("seconds"),
        "started_at": run.environment.get("started_at"),
    }


@click.command()
@click.argument("run")
@click.option(
    "--all", "is_all", is_flag=True, help="Also what mattered, where trials collapse, the data, the rows most wrong."
)
@runs_option
@format_option
def show(run: str, is_all: bool, runs: str, format_: Format) -> None:
    """Show what became of a run: status, board, champion, verdict. CSV prints the board.

    With --all it tells as text and tables what `tuner report` draws.

    RUN is a name, or the path of a run's directory.

    \b
    Example:
      tuner show multilabel-20261121-0905
      tuner show multilabel-20261121-0905 --format json | jq .champion.test.macro_f1
    """
    location = locate_run(run, runs)
    with damage_told(location):
        print_run(location, format_, is_all=is_all)


@contextmanager
def damage_told(location: str) -> Iterator[None]:
    """Tell an error within the block that nobody foresaw as the damage of the run's files, where there is some.

    Readers take it that a ledger has what tuner wrote. Where they stumble, the checksums say whether it has.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        from tuner.errors import LedgerError
        from tuner.ledger.verify import verify

        faults = verify(location).faults
        if faults:
            raise LedgerError(faults) from error
        raise


def locate_run(run: str, runs: str) -> str:
    """Return the location that a person means: a path, or a name below `runs`, where a run lies there."""
    from tuner.storage import Folder, join

    if "://" in run:
        return run
    below, is_path = join(runs, run), "/" in run or run in (".", "..")
    return run if is_path and not Folder.at(below).exists("environment.json") else below


def locate_model(model: str, runs: str) -> str:
    """Return the location of what a person means: a bundle, by its path, or a run, by its path or its name below `runs`.

    Raises UsageError where there is neither.
    """
    from tuner.errors import Fault, UsageError, did_you_mean
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder, split

    here, location = Folder.at(model), locate_run(model, runs)
    if here.exists("bundle.json"):
        return model
    if Folder.at(location).exists("environment.json"):
        return location
    if here.exists():
        return model  # what it lacks is told where it is read
    folder, name = split(location.rstrip("/"))
    names = list_runs(folder) if Folder.at(folder).is_folder() else []
    remedy = (
        did_you_mean(name, names) if names else "give the directory of a bundle or of a run; --runs says where runs lie"
    )
    raise UsageError(
        [Fault(model, f"there is no bundle here (no bundle.json), and no run of this name in {folder}", remedy)]
    )


def print_run(location: str, format_: Format, *, is_all: bool = False) -> Run:
    """Print a run, with `is_all` everything that its report has, and return it as it was read."""
    from tuner.analysis.leaderboard import COLUMNS, describe_run
    from tuner.diagnosis.causes.find import as_json, diagnose
    from tuner.diagnosis.readers.run import read_evidence
    from tuner.ledger.run_directory import read_run
    from tuner.storage import join

    read = read_run(location)
    for fault in read.damaged:
        say(f"warning: {fault}")
    diagnosis = as_json(diagnose(read_evidence(read))) if read.champion else None
    described = {**describe_run(read), "diagnosis": diagnosis}
    if described["champion"]:  # the ledger has where it lay when it was made, seen from the folder of then
        described["champion"]["bundle"] = join(location, "champion")
    if is_all:
        from tuner.analysis.details import run_details

        described["evidence"] = run_details(read)
    if format_ == "json":
        print_json(described)
    elif format_ == "csv":
        print_rows(described["leaderboard"], COLUMNS, "csv")
    else:
        _print_for_people(described)
        if is_all:
            _print_evidence(described["evidence"])
        if read.status != "finished":
            told = "still running, or cut off; if nobody is at work on it, " if read.status == "unfinished" else ""
            say(f"\n{told}go on with `{shlex.join(['tuner', 'resume', location, *needed_to_resume(read)])}`")
    return read


def needed_to_resume(run: Run) -> list[str]:
    """Return the options without which a run would only fail again: a larger budget, where that was too small."""
    setting = run.manifest.get("resume_with")
    return ["--set", str(setting)] if setting else []


def _print_evidence(evidence: dict[str, Any]) -> None:
    for key, title in (
        ("importance", "what mattered, alone"),
        ("collapse", "where trials collapsed"),
        ("most_wrong", "test rows most wrong"),
    ):
        if evidence[key]:
            tell("")
            print_table(evidence[key], tuple(evidence[key][0]), title=title)
    if evidence["cut"]:
        tell(f"\nthe cut of the space that this suggests:\n{evidence['cut']}")
    if evidence["data"]:
        tell("\nthe data")
    for line in evidence["data"]:
        tell(f"  {line}")


def _print_for_people(run: dict[str, Any]) -> None:
    from tuner.analysis.leaderboard import COLUMNS, VERDICTS

    endings = ", ".join(f"{count} {ending}" for ending, count in run["trials"].items())
    seconds = f" in {run['seconds']:.0f} s" if run["seconds"] is not None else ""
    budget = f"; its {run['ended_by']} budget ended the search" if run["ended_by"] in ("time", "cost") else ""
    tell(f"{run['name']}: {run['status']}{seconds}{budget}; trials: {endings or 'none'}")
    if run["error"]:
        tell(f"error: {run['error']}")
    board = run["leaderboard"]
    if board:
        told = [column for column in COLUMNS if column not in ("runs", "configuration")]
        columns = [column for column in told if any(row.get(column) is not None for row in board)]
        tell("")
        print_table(_shortened(board), columns, title="leaderboard, on validation")
    control = next((row for row in run["baselines"] if row["kind"] == "control"), None)
    if control:
        score = control["validation"]["macro_f1"]
        tell(f"\ncontrol: {control['name']} has macro-F1 {score:.3f} on validation; what is no better learnt nothing")
    champion = run["champion"]
    if champion:
        _print_champion(champion)
        tell(f"\nverdict: {run['verdict']}: {VERDICTS[run['verdict']]}")
        tell(f"reason: {run['reason']}")
        tell(f"diagnosis: {run['diagnosis']['state']}: {run['diagnosis']['sentence']}")
        for cause in run["diagnosis"]["causes"][:_CAUSES_TOLD]:
            tell(f"  {cause['name'].replace('_', ' ')}: {cause['sentence']}; {cause['advice']}")
        tell(f"bundle: {champion['bundle']}")


def _shortened(board: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best rows, and every baseline and finalist wherever it stands."""
    return [row for row in board if row["rank"] <= _BOARD_ROWS or row["kind"] != "trial"]


def _chosen(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return what of a configuration is not as by default."""
    from tuner.samplers.sampler import RandomSampler
    from tuner.space.domains import default_domain
    from tuner.space.parameters import PARAMETERS

    parameters = PARAMETERS["text" if "tokens" in configuration else "sequence"]
    defaults = RandomSampler({name: default_domain(each) for name, each in parameters.items()}, seed=0).ask(0)
    return {name: value for name, value in configuration.items() if defaults.get(name) != value}


def _print_champion(champion: dict[str, Any]) -> None:
    from tuner.analysis.leaderboard import describe_champion

    tell(f"\nchampion: {describe_champion(champion)}, best at {champion['epochs']:.3g} epochs")
    told = ", ".join(f"{name}={_short(value)}" for name, value in _chosen(champion["config"]).items())
    tell(f"  {told or 'everything'}{', all else' if told else ''} as by default")
    tell(f"  selection: {_selection_line(champion)}")
    tell(f"  health: {_health_line(champion['health'])}")
    tell("")
    rows = [_split_row(split, champion[split]) for split in ("validation", "test")]
    print_table(rows, tuple(rows[0]), title="champion")
    for split in ("validation", "test"):
        for note in champion[split].get("notes", ()):
            tell(f"  {split}: {note}")
    tell("")
    ahead = [
        {
            "baseline": row["name"],
            "macro_f1": row["macro_f1"],
            "champion ahead by": row["champion_ahead"],
            "95 %": _interval(row["champion_ahead_ci"]),
        }
        for row in champion["test_baselines"]
    ]
    print_table(ahead, ("baseline", "macro_f1", "champion ahead by", "95 %"), title="baselines, on test")
    tell("")
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
    """What the same settings came to with other seeds, and whether the other finalists are surely behind."""
    from tuner.analysis.leaderboard import describe_runs_without_model, describe_selection

    told = [describe_selection(champion)]
    differences = champion["finalist_differences"]
    if differences:
        ahead = sum(row["low"] > 0 for row in differences)
        told.append(f"surely ahead of {ahead} of {len(differences)} other finalists")
    lost = describe_runs_without_model(champion)
    return "; ".join(each for each in (*told, lost) if each)


def _health_line(health: dict[str, Any]) -> str:
    """What of the champion's health is known, at its best report."""
    told = [f"{name.replace('_', ' ')} {_short(health[name])}" for name in _HEALTH if health.get(name) is not None]
    return ", ".join(told) or "not known"


def _interval(bounds: list[float]) -> str:
    return "{:.3f} to {:.3f}".format(*bounds)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
