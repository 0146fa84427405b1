"""Distil a run's champion: train one model to its probabilities, judge it beside the champion, and write its bundle."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.bundle.known_rows import KnownRows
from tuner.bundle.model_bundle import Bundle, load, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.input_batches import InputFile
from tuner.data.judge_rows import with_judge_rows
from tuner.data.load import load_data
from tuner.data.name_lists import number_of_rows
from tuner.distil.configuration import configuration_of, settle_space
from tuner.distil.judgement import Work, compare_on_test, judge_student, rows_of_models
from tuner.distil.lesson import Lesson, make_lesson
from tuner.distil.student import Student, train_student
from tuner.errors import Fault, LedgerError, UsageError
from tuner.ledger.distilled import DISTILLED, write_description
from tuner.ledger.run_directory import Run, read_run
from tuner.ledger.run_files import read_json_file
from tuner.search.environment import now
from tuner.search.moved_files import refuse_moved_files
from tuner.search.resume import check_data
from tuner.show_value import show_count
from tuner.signals import holding_signals
from tuner.space.load import Space
from tuner.storage import Folder, join, split, trim
from tuner.trial.order import TrialSettings

Say = Callable[[str], None]

_TIMES_LONGER = 2
"""Probabilities are learnt later than labels: on 62 labels, the validation score after the run's epochs rose by 0.02 in as many
more."""
_NOTE_ON_TRAINING_ROWS = (
    "the champion was trained on these training rows, so its probabilities there are closer to the labels than they are on new "
    "rows"
)
_NOTE_ON_NEW_ROWS = "; --unlabelled FILE adds rows that it has not seen"
_NOTE_ON_FOLDS = (
    "each training row has the probabilities of models that did not see it; but these saw the rows that judge the distilled "
    "model on validation, so its figures there are a little too good"
)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a person asks for. None stands for what follows from the run. `truth_share` is that of true labels in the targets."""

    overrides: Sequence[str] = ()
    trial: int | None = None
    epochs: float | None = None
    time_s: float | None = None
    seed: int | None = None
    truth_share: float
    out: str | None = None
    is_forced: bool = False


@dataclass(frozen=True)
class Place:
    """Where the distilled model is written: the bundle `name` in `folder`, and NAME.json beside it."""

    location: str
    folder: Folder
    name: str

    @property
    def bundle(self) -> Folder:
        """The folder of the bundle."""
        return self.folder.below(self.name)


def distil(
    location: str, wishes: Wishes, open_files: Callable[[Bundle], Sequence[InputFile]], say: Say
) -> dict[str, Any]:
    """Train a model to the probabilities of a run's champion, write its bundle, and return the content of its description.

    `open_files` returns the files of unlabelled rows that the model of a bundle can read. The test split is used once, after all
    choices. Nothing is written before that. Raises InputError, and SearchFailed if the model has no score.
    """
    run = read_run(location)
    _refuse_no_champion(run)
    place = _find_place(location, wishes)
    champion = load(location)
    begun_with = champion.configuration if wishes.trial is None else configuration_of(run, wishes.trial)
    space, configuration = settle_space(run, begun_with, wishes.overrides)
    refuse_moved_files(run, space)
    dataset = load_data(space.data, space.task, space.search.seed, say)
    check_data(run, dataset)
    files = open_files(champion)
    if files:
        dataset = with_judge_rows(dataset, space.data, say)
    lesson = make_lesson(run, champion, dataset, files, truth_share=wishes.truth_share, say=say)
    seed = space.search.seed if wishes.seed is None else wishes.seed
    settings = _settings(space, wishes)
    say(_describe_task(lesson, settings))
    student = train_student(
        configuration, space.parameters, lesson, dataset, settings, seed=seed, time_s=wishes.time_s, say=say
    )
    trial = int(run.champion["trial"] if wishes.trial is None else wishes.trial)
    work = Work(run, space, dataset, champion, student)
    bundle, decided, measured = judge_student(work, configuration, trial=trial, seed=seed)
    described = {
        "at": now(),
        "run": location,
        "bundle": place.location,
        "teacher": _describe_teacher(run.champion),
        "trial": trial,
        "configuration": dict(configuration),
        "seed": seed,
        "truth_share": wishes.truth_share,
        "unlabelled_files": [file.uri for file in files],
        **_describe_training(lesson, student, dataset),
        **measured,
        **compare_on_test(work, decided, measured),
    }
    with holding_signals():
        return _write(place, bundle, KnownRows.of(lesson.dataset), work, described)


# --- before the training --------------------------------------------------------------------------------------------------


def _refuse_no_champion(run: Run) -> None:
    if run.champion and Folder.at(run.location).exists("champion/bundle.json"):
        return
    what = f"the run has no champion (it is {run.status}), so there is nothing to distil"
    remedy = f"give a run that finished; `{shlex.join(['tuner', 'show', run.location])}` says how far this one got"
    raise LedgerError([Fault(run.location, what, remedy)])


def _find_place(location: str, wishes: Wishes) -> Place:
    """Return where to write. Raises UsageError for a place that is taken, unless --force may replace what is there."""
    target = trim(wishes.out or join(location, DISTILLED))
    parent, name = split(target)
    place = Place(target, Folder.at(parent), name)
    is_own = place.bundle.path == Folder.at(location).below(DISTILLED).path
    if not is_own and place.folder.exists("environment.json"):
        remedy = "leave out --out, or name a folder outside of runs"
        raise UsageError([Fault(f"--out {wishes.out}", "a run keeps its distilled model in distilled/", remedy)])
    if place.bundle.names() or place.folder.exists(f"{name}.json"):
        if not (is_own or "teacher" in read_json_file(place.folder, name, {})):
            what, remedy = "there is something else than a distilled model", "name another folder with --out"
            raise UsageError([Fault(str(place.bundle), what, remedy)])
        if not wishes.is_forced:
            remedy = "replace it with --force, or name another folder with --out"
            raise UsageError([Fault(str(place.bundle), "there is a distilled model already", remedy)])
    place.folder.check_writable()
    return place


def _settings(space: Space, wishes: Wishes) -> TrialSettings:
    from tuner.training.device import choose_device

    search = space.search
    return TrialSettings(
        max_epochs=_TIMES_LONGER * search.max_epochs if wishes.epochs is None else wishes.epochs,
        reports_per_epoch=search.reports_per_epoch,
        penalty_weight=space.score.penalty_weight,
        patience=search.patience,
        threads=max(1, int(space.resources.cpus)),
        device=choose_device(space.resources.gpus),
    )


def _describe_task(lesson: Lesson, settings: TrialSettings) -> str:
    unlabelled = f", {lesson.unlabelled:,} of them without labels" if lesson.unlabelled else ""
    rows = number_of_rows(len(lesson.targets))
    return f"training one model on {rows}{unlabelled}, for {show_count(settings.max_epochs, 'epoch')}"


# --- what is written -------------------------------------------------------------------------------------------------


def _describe_teacher(champion: Mapping[str, Any]) -> dict[str, Any]:
    """Return which champion was distilled. Its macro-F1 on test tells it from a later champion of the same run."""
    committee = champion.get("committee") or {}
    return {
        "kind": committee.get("kind", "single"),
        "models": max(1, len(committee.get("members", ()))),
        "trial": champion["trial"],
        "macro_f1": champion["test"]["macro_f1"],
    }


def _describe_training(lesson: Lesson, student: Student, dataset: Dataset) -> dict[str, Any]:
    note = _NOTE_ON_FOLDS if lesson.are_out_of_fold else _NOTE_ON_TRAINING_ROWS
    more = "" if lesson.are_out_of_fold or lesson.unlabelled else _NOTE_ON_NEW_ROWS
    return {
        "rows": {"train": len(dataset.train), "unlabelled": lesson.unlabelled, "left_out": lesson.left_out},
        "are_targets_out_of_fold": lesson.are_out_of_fold,
        "epochs": student.epochs,
        "best_epochs": student.best_epochs,
        "is_cut": student.is_cut,
        "seconds": student.seconds,
        "notes": [note + more],
    }


def _write(place: Place, bundle: Bundle, rows: KnownRows, work: Work, described: dict[str, Any]) -> dict[str, Any]:
    """Write the bundle and then its description, in place of earlier ones. Return the description."""
    place.folder.delete(f"{place.name}.json")  # so that it never describes another bundle than the one beside it
    place.folder.delete_folder(place.name)
    save_bundle(place.bundle, bundle, rows)
    described = {**described, "models": rows_of_models(work, bundle, place.bundle, described)}
    write_description(place.folder, place.name, described)
    return described
