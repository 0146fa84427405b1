"""Everything the page needs: the ledger of a run, read once, and sentences about what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tuner.analysis.trials import TrialFacts, trials_of
from tuner.errors import LedgerError, SpaceError
from tuner.ledger.predictions import read_predictions
from tuner.ledger.run_directory import Run, read_run
from tuner.ledger.tables import read_parts
from tuner.space.load import Space, read_space
from tuner.storage import Folder


@dataclass(frozen=True, kw_only=True)
class Material:
    """A run as the page needs it.

    `space` is None if this version of tuner cannot read it; `measurements` is the ledger's table; `missing` are sentences.
    """

    run: Run
    space: Space | None
    trials: Sequence[TrialFacts]
    predictions: Mapping[str, pa.Table]
    measurements: pa.Table
    missing: Sequence[str]

    @property
    def searched(self) -> tuple[TrialFacts, ...]:
        """The trials of the search, without finalists' runs."""
        return tuple(trial for trial in self.trials if trial.phase == "search")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the data, in the order of their indices."""
        return tuple(self.run.environment.get("data", {}).get("labels", ()))

    @property
    def task(self) -> str:
        """The task, or "unknown"."""
        return self.space.task if self.space else str(self.run.profile.get("task", "unknown"))


def gather(location: str | Path, run: Run | None = None) -> Material:
    """Read a run's directory, local or on any pyarrow.fs location. Raises LedgerError if there is no run or it is damaged.

    `run` is what could be read of a damaged one (see `tuner.ledger.damaged_run`).
    """
    run = run or read_run(location)
    measurements, damaged = read_parts(Folder.at(location), "reports")
    missing = [*_missing_parts(run), *(f"Damaged: {fault}" for fault in (*run.damaged, *damaged))]
    space = None
    try:
        space = read_space(run.space)
    except SpaceError as error:
        missing.append(
            f"This version of tuner cannot read the space, so the page has no log scales and no rungs: {error.faults[0]}"
        )
    predictions = {}
    for split in ("validation", "test"):
        with suppress(LedgerError):
            predictions[split] = read_predictions(location, split)
    if run.champion and "test" not in predictions:
        missing.append("The ledger has no predictions on the test split, so the page has no precision–recall curves.")
    return Material(
        run=run,
        space=space,
        trials=trials_of(run, measurements),
        predictions=predictions,
        measurements=measurements,
        missing=missing,
    )


def _missing_parts(run: Run) -> list[str]:
    """Say what the run has not got. Of what is only damaged, the faults tell."""
    damaged = " ".join(fault.where for fault in run.damaged)
    sentences = []
    if run.status != "finished" and "manifest.json" not in damaged:
        error = run.manifest.get("error")
        state = "failed" if run.status == "failed" else f"is {run.status}"
        reason = f": {str(error).rstrip('.')}" if error else ""
        sentences.append(f"The run {state}{reason}. This page shows what the ledger has so far.")
    if run.is_being_extended:
        sentences.append("The run had finished and was given more: its champion and its verdict are the earlier ones.")
    if not run.trials and "/trials" not in damaged:
        sentences.append("No trial has begun.")
    if not run.baselines and "baselines.json" not in damaged:
        sentences.append("The baselines did not finish, so the page cannot compare trials with them.")
    if not run.champion and "champion.json" not in damaged:
        sentences.append("There is no champion, so the test split is still sealed and there is no verdict.")
    if not run.profile and "data.json" not in damaged:
        sentences.append("The ledger has no profile of the data.")
    return sentences
