"""diagnose: has a predictor collapsed, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.output import print_json, say, tell
from tuner.cli.runs import damage_told, locate_run, runs_option
from tuner.errors import Fault, UsageError

if TYPE_CHECKING:
    from tuner.diagnosis.causes.find import Diagnosis
    from tuner.diagnosis.facts.evidence import Evidence, SearchFacts

FAILED = 4
"""Exit code with --fail-on-collapse where the predictor is in one of the states of `_COLLAPSED`."""

_COLLAPSED = ("collapsed", "partly collapsed", "diverged", "no signal")
_ENDINGS = (".parquet", ".csv", ".jsonl", ".ndjson", ".json")
_LABELS_TOLD = 10
_SETTINGS_TOLD = 5


@click.command()
@click.argument("what")
@click.option("--pred", metavar="COLUMN", multiple=True, help="Of a file: decisions; repeat for columns of 0 and 1.")
@click.option("--truth", metavar="COLUMN", multiple=True, help="Of a file: true labels; repeat for columns of 0 and 1.")
@click.option(
    "--probability", metavar="COLUMN", multiple=True, help="Of a file: probabilities, one column for each label."
)
@click.option(
    "--text", metavar="COLUMN", help="Of a file: the texts; they tell of the data and of whether there is signal."
)
@click.option("--train", metavar="FILE", help="What the model was trained on; with --text.")
@click.option(
    "--fail-on-collapse",
    is_flag=True,
    help=f"End with {FAILED} where the predictor has collapsed, if only in part, has diverged or shows no signal.",
)
@runs_option
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of stdout."
)
def diagnose(what: str, runs: str, format_: str, fail_on_collapse: bool, **options: Any) -> None:
    """Say whether WHAT has collapsed, which labels, and the likely causes in order, each with what was measured and a remedy.

    WHAT is a run (its name or directory), a bundle, or a file of anybody's predictions with the truth beside them: Parquet, CSV
    or JSON Lines. Labels are words or numbers, one a row or in lists, or columns of 0 and 1.

    Ends with 0 when a diagnosis was made, whatever it is; with --fail-on-collapse 4 where the predictor has collapsed, if only
    in part, has diverged or shows no signal.

    \b
    Example:
      tuner diagnose multilabel-20261121-0905
      tuner diagnose preds.csv --pred predicted --truth label --probability p_no --probability p_yes
      tuner diagnose preds.parquet --text message --train train.parquet --format json | jq '.causes[0]'
    """
    from tuner.diagnosis.causes.find import as_json
    from tuner.diagnosis.causes.find import diagnose as judge

    evidence = _evidence(what, runs, **options)
    diagnosis = judge(evidence)
    for note in diagnosis.notes:
        say(f"note: {note}")
    if format_ == "json":
        from dataclasses import asdict

        search = None if evidence.search is None else asdict(evidence.search)
        print_json({"subject": evidence.subject, **as_json(diagnosis), "search": search})
    else:
        _print(evidence, diagnosis)
    if fail_on_collapse and diagnosis.state in _COLLAPSED:
        raise SystemExit(FAILED)


def _evidence(what: str, runs: str, **options: Any) -> Evidence:
    """Find out what WHAT is. A file is told by its ending; a run and a bundle by what lies in the directory."""
    if what.lower().endswith(_ENDINGS) or what.startswith("builtin:"):
        return _of_file(what, **options)
    given = [f"--{name}" for name, value in options.items() if value]
    if given:
        told = (
            f"{', '.join(given)} {'are' if len(given) > 1 else 'is'} for a file of predictions, which {what!r} is not"
        )
        remedy = f"leave it out, or name a file that ends in {', '.join(_ENDINGS[:3])}"
        raise UsageError([Fault(what, told, remedy)])
    return _of_directory(what, runs)


def _of_directory(what: str, runs: str) -> Evidence:
    from tuner.bundle.bundle_json import read_bundle_json
    from tuner.diagnosis.readers.run import evidence_of_bundle, read_evidence
    from tuner.ledger.run_directory import read_run
    from tuner.storage import Folder

    location, here = locate_run(what, runs), Folder.at(what)
    if Folder.at(location).exists("environment.json"):
        with damage_told(location):
            return read_evidence(read_run(location))
    if here.exists("bundle.json"):
        return evidence_of_bundle(read_bundle_json(here), name=what)
    raise UsageError([_neither(what, runs)])


def _neither(what: str, runs: str) -> Fault:
    from tuner.errors import did_you_mean
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder

    if Folder.at(what).exists():
        told = "this is neither a run (no environment.json) nor a bundle (no bundle.json), nor a file of predictions by its name"
        return Fault(what, told, f"give a run, a bundle, or a file that ends in {', '.join(_ENDINGS[:3])}")
    names = list_runs(runs)
    remedy = did_you_mean(what, names) if names else f"there are no runs in {runs}; --runs names another folder"
    return Fault(what, f"there is no run of this name in {runs}, and no bundle or file here", remedy)


def _of_file(
    what: str,
    *,
    pred: tuple[str, ...],
    truth: tuple[str, ...],
    probability: tuple[str, ...],
    text: str | None,
    train: str | None,
) -> Evidence:
    if train is not None and text is None:
        told = "the texts of the training file are compared with those of the predictions"
        raise UsageError([Fault("--train", told, "name the column of both with --text")])

    from tuner.diagnosis.readers.file import evidence_of_file

    return evidence_of_file(what, pred=pred, truth=truth, probability=probability, text=text, train=train)


def _print(evidence: Evidence, diagnosis: Diagnosis) -> None:
    tell(f"{evidence.subject}: {diagnosis.state}: {diagnosis.sentence}")
    if diagnosis.labels:
        shown = ", ".join(diagnosis.labels[:_LABELS_TOLD])
        more = len(diagnosis.labels) - _LABELS_TOLD
        tell(f"collapsed labels: {shown}{f' and {more} more' if more > 0 else ''}")
    if diagnosis.causes:
        could = "what could make it better" if diagnosis.state == "healthy" else "likely causes"
        tell(f"\n{could}, the likeliest first:")
    for number, cause in enumerate(diagnosis.causes, 1):
        because = (
            f" (follows from {', '.join(_words(name) for name in cause.explained_by)})" if cause.explained_by else ""
        )
        tell(f"{number}. {_words(cause.name)}{because}: {cause.sentence}")
        tell(f"   {cause.advice}")
        if cause.setting:
            tell(f"   {cause.setting}")
    if evidence.search is not None and evidence.search.trials:
        _print_search(evidence.search)
    if diagnosis.missing:
        tell("\nnot known:")
    for line in diagnosis.missing:
        tell(f"- {line}")


def _print_search(search: SearchFacts) -> None:
    endings = ", ".join(f"{count} {ending}" for ending, count in search.endings.items())
    tell(f"\nthe search: {search.trials} trials: {endings}")
    if search.causes:
        told = ", ".join(f"{_words(name)} {count}" for name, count in search.causes.items())
        tell(f"likeliest causes of those that collapsed or diverged: {told}")
    for each in search.settings[:_SETTINGS_TOLD]:
        share = each.faulty / each.trials
        tell(
            f"- {each.parameter} {each.value}: {each.faulty} of {each.trials} collapsed or diverged ({share:.0%}, 95 % "
            f"{each.low:.0%} to {each.high:.0%}), of the others {each.rest:.0%}{f'; {each.setting}' if each.setting else ''}"
        )


def _words(name: str) -> str:
    return name.replace("_", " ")
