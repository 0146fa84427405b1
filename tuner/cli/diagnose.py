"""diagnose: whether a predictor has collapsed, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.completion import complete_runs
from tuner.cli.location import locate_run, name_damage
from tuner.cli.options import runs_option, text_options
from tuner.cli.output import print_advice, print_json, print_sentence, print_text, say
from tuner.errors import Fault, UsageError
from tuner.show_value import show_count, show_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.diagnosis.causes.cause import Cause
    from tuner.diagnosis.causes.diagnose import Diagnosis
    from tuner.diagnosis.facts.evidence import Evidence, Origin, SearchFacts
    from tuner.space.text_format import TextFormat

FAILED = 4
"""Exit code with --fail-on-collapse if the predictor is in one of the states of `_COLLAPSED`."""

_COLLAPSED = ("collapsed", "partly collapsed", "diverged", "no signal")
_EXTENSIONS = ".parquet, .csv, .jsonl"  # of the formats, those that messages name
_LABELS_SHOWN = 10
_SETTINGS_SHOWN = 5


@click.command()
@click.argument("what", shell_complete=complete_runs)
@click.option(
    "--pred", metavar="COLUMN", multiple=True, help="Column of decisions, in a file. Repeat for columns of 0 and 1."
)
@click.option(
    "--truth", metavar="COLUMN", multiple=True, help="Column of true labels, in a file. Repeat for columns of 0 and 1."
)
@click.option(
    "--probability",
    metavar="COLUMN",
    multiple=True,
    help="Column of probabilities, in a file. Repeat for one column per label.",
)
@click.option(
    "--text", metavar="COLUMN", help="Column of texts, in a file. Checks the data and whether there is any signal."
)
@click.option("--train", metavar="FILE", help="File that the model was trained on. Needs --text.")
@text_options
@click.option(
    "--fail-on-collapse",
    is_flag=True,
    help=f"Exit with {FAILED} if the predictor has collapsed, even in part, has diverged or shows no signal.",
)
@runs_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format on stdout.",
)
def diagnose(what: str, runs: str, format_: str, fail_on_collapse: bool, **options: Any) -> None:
    """Find out whether WHAT has collapsed, on which labels, and why. Each likely cause comes with its evidence and a remedy.

    WHAT is a run (name or directory), a bundle, or a file with the predictions of any model and the true labels: Parquet,
    CSV or JSON Lines. Labels may be words or numbers, one per row or in lists, or columns of 0 and 1.

    The exit code is 0 after a diagnosis, whatever it says. With --fail-on-collapse, it is 4 if the predictor has collapsed,
    even in part, has diverged or shows no signal.

    \b
    Example:
      tuner diagnose multilabel-20261121-0905
      tuner diagnose preds.csv --pred predicted --truth label --probability p_no --probability p_yes
      tuner diagnose preds.parquet --text message --train train.parquet --format json | jq '.causes[0]'
    """
    from tuner.diagnosis.causes.diagnose import as_json
    from tuner.diagnosis.causes.diagnose import diagnose as judge

    evidence = _read_evidence(what, runs, **options)
    diagnosis = judge(evidence)
    for note in diagnosis.notes:
        say(f"note: {note}")
    if format_ == "json":
        from dataclasses import asdict

        search = None if evidence.search is None else asdict(evidence.search)
        print_json({"subject": evidence.subject, **as_json(diagnosis), "search": search})
    else:
        _print_diagnosis(evidence, diagnosis)
    if fail_on_collapse and diagnosis.state in _COLLAPSED:
        raise SystemExit(FAILED)


def _read_evidence(what: str, runs: str, **options: Any) -> Evidence:
    """Recognise a file by its extension, and a run or a bundle by the files in its directory."""
    from tuner.data.formats.names import known_format

    if known_format(what) is not None or what.startswith("builtin:"):
        return _evidence_of_file(what, **options)
    text_format = options.pop("text_format")
    used = [f"--{name}" for name, value in {**options, **vars(text_format)}.items() if value]
    if used:
        verb = "apply" if len(used) > 1 else "applies"
        message = f"{', '.join(used)} {verb} to a file of predictions, and {what!r} is not one"
        remedy = f"leave it out, or name a file that ends in {_EXTENSIONS}"
        raise UsageError([Fault(what, message, remedy)])
    return _evidence_of_directory(what, runs)


def _evidence_of_directory(what: str, runs: str) -> Evidence:
    from tuner.bundle.bundle_json import read_bundle_json
    from tuner.diagnosis.readers.bundle import evidence_of_bundle
    from tuner.diagnosis.readers.run import read_evidence
    from tuner.ledger.run_directory import read_run
    from tuner.storage import Folder

    location, folder = locate_run(what, runs), Folder.at(what)
    if Folder.at(location).exists("environment.json"):
        with name_damage(location):
            return read_evidence(read_run(location))
    if folder.exists("bundle.json"):
        return evidence_of_bundle(read_bundle_json(folder), name=what)
    raise UsageError([_unrecognised(what, runs)])


def _unrecognised(what: str, runs: str) -> Fault:
    from tuner.errors import did_you_mean
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder

    if Folder.at(what).exists():
        message = "this is not a run (no environment.json), a bundle (no bundle.json) or a file of predictions"
        return Fault(what, message, f"give a run, a bundle, or a file that ends in {_EXTENSIONS}")
    names = list_runs(runs)
    remedy = did_you_mean(what, names) if names else f"there are no runs in {runs}; --runs names another folder"
    return Fault(what, f"there is no run of this name in {runs}, and no bundle or file here", remedy)


def _evidence_of_file(
    what: str,
    *,
    pred: tuple[str, ...],
    truth: tuple[str, ...],
    probability: tuple[str, ...],
    text: str | None,
    train: str | None,
    text_format: TextFormat,
) -> Evidence:
    if train is not None and text is None:
        message = "the texts of the training file are compared with those of the predictions"
        raise UsageError([Fault("--train", message, "name the column of texts in both files with --text")])

    from tuner.diagnosis.readers.file import evidence_of_file

    return evidence_of_file(
        what, pred=pred, truth=truth, probability=probability, text=text, train=train, text_format=text_format
    )


def _print_diagnosis(evidence: Evidence, diagnosis: Diagnosis) -> None:
    from tuner.diagnosis.causes.advice import advice_by_cause

    print_sentence(f"{evidence.subject}: {diagnosis.state}: {diagnosis.sentence}")
    if diagnosis.labels:
        names = ", ".join(diagnosis.labels[:_LABELS_SHOWN])
        more = len(diagnosis.labels) - _LABELS_SHOWN
        print_sentence(f"collapsed labels: {names}{f' and {more} more' if more > 0 else ''}")
    if diagnosis.causes:
        heading = "possible improvements" if diagnosis.state == "healthy" else "likely causes"
        print_sentence(f"\n{heading}, most likely first:")
    for number, (cause, advice) in enumerate(zip(diagnosis.causes, advice_by_cause(diagnosis.causes), strict=True), 1):
        _print_cause(number, cause, advice)
    if evidence.search is not None and evidence.search.trials:
        _print_search(evidence.search, evidence.origin)
    if diagnosis.missing:
        print_sentence("\nnot known:")
    for line in diagnosis.missing:
        print_sentence(f"- {line}")


def _print_cause(number: int, cause: Cause, advice: Sequence[str]) -> None:
    origin = f" (follows from {', '.join(_words(name) for name in cause.explained_by)})" if cause.explained_by else ""
    print_sentence(f"{number}. {_words(cause.name)}{origin}: {cause.sentence}")
    print_advice(advice, "   ")


def _print_search(search: SearchFacts, origin: Origin | None) -> None:
    from tuner.diagnosis.causes.search import avoid_settings

    endings = ", ".join(f"{count} {ending}" for ending, count in search.endings.items())
    print_sentence(f"\nthe search had {show_count(search.trials, 'trial')}: {endings}")
    if search.causes:
        causes = ", ".join(f"{_words(name)} {count}" for name, count in search.causes.items())
        print_sentence(f"most likely causes of the trials that collapsed or diverged: {causes}")
    for failing in search.settings[:_SETTINGS_SHOWN]:
        share = show_share(failing.faulty / failing.trials)
        print_sentence(
            f"- {failing.parameter} {failing.value}: {failing.faulty} of {failing.trials} trials collapsed or diverged "
            f"({share}, 95 % interval {show_share(failing.low)} to {show_share(failing.high)}); "
            f"of all other trials {show_share(failing.rest)}"
        )
    if command := avoid_settings(search, origin):
        print_text("to search without them:")
        print_advice([command], "  ")


def _words(name: str) -> str:
    return name.replace("_", " ")
