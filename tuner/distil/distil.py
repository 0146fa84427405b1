"""Distil a run's champion: train one model to its probabilities, judge it beside the champion, and write its bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.baselines.baseline import Decided
from tuner.bundle.known_rows import KnownRows
from tuner.bundle.model_bundle import Bundle, load, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.input_batches import InputFile
from tuner.data.judge_rows import with_judge_rows
from tuner.data.load import load_data
from tuner.distil.comparison import describe_kept, find_single, model_row, seconds_per_1000_rows, size_in_bytes
from tuner.distil.configuration import configuration_of, settle_space
from tuner.distil.lesson import Lesson, make_lesson
from tuner.distil.student import Student, train_student
from tuner.errors import Fault, LedgerError, UsageError
from tuner.ledger.distilled import DISTILLED, write_description
from tuner.ledger.predictions import CHAMPION, predictions_of, read_predictions
from tuner.ledger.run_directory import Run, read_run
from tuner.scoring.paired import paired_difference
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.champion_test import decide_validation, judge
from tuner.search.environment import now
from tuner.search.model_columns import columns_of_model
from tuner.search.moved_files import refuse_moved_files
from tuner.search.resume import check_data
from tuner.signals import holding_signals
from tuner.space.load import Space
from tuner.storage import Folder, join, split
from tuner.trial.order import TrialSettings

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a person asks for. None stands for what the run has. `truth_share` is the share of true labels in the targets."""

    overrides: Sequence[str] = ()
    trial: int | None = None
    epochs: float | None = None
    time_s: float | None = None
    seed: int | None = None
    truth_share: float
    out: str | None = None
    is_forced: bool = False


def find_place(location: str, wishes: Wishes) -> tuple[Folder, str]:
    """Return the folder that the bundle is written in, and the bundle's name there. Raises UsageError if it is taken."""
    parent, name = split((wishes.out or join(location, DISTILLED)).rstrip("/"))
    folder = Folder.at(parent)
    if folder.below(name).names() or folder.exists(f"{name}.json"):
        bundle = folder.below(name)
        if not wishes.is_forced:
            remedy = "use --force to replace it, or --out DIR for another place"
            raise UsageError([Fault(str(bundle), "there is a distilled model already", remedy)])
        if bundle.names() and not (bundle.exists("bundle.json") and folder.exists(f"{name}.json")) and wishes.out is not None:
            what = "this is no distilled model, so --force does not replace it"
            raise UsageError([Fault(str(bundle), what, "name another folder with --out DIR")])
    folder.check_writable()
    return folder, name
