"""The two sides of a comparison: runs or bundles, what they decided, and how they came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.bundle.bundle_json import read_bundle_json
from tuner.comparison.changes import configuration_changes, data_changes, environment_changes, space_changes
from tuner.comparison.compare import Answers, Model, answers_of_predictions, common_labels
from tuner.errors import Fault, LedgerError, SpaceError, UsageError
from tuner.ledger.run_directory import Run, read_predictions, read_run
from tuner.space.load import read_space
from tuner.space.settings import LABEL_FIELDS
from tuner.storage import Folder

Columns = Mapping[str, Any]
ChooseColumns = Callable[[Columns], Columns]
"""From the columns that a model was trained on to those to read."""


@dataclass(frozen=True, eq=False)
class Side:
    """A run with its champion, or a bundle, which has no run; `described` is its bundle.json."""

    location: str
    described: Mapping[str, Any]
    run: Run | None

    @property
    def kind(self) -> str:
        """Whether this is a "run" or a "bundle"."""
        return "bundle" if self.run is None else "run"

    @property
    def model(self) -> Model:
        """What can be said of the model without loading it."""
        return Model(
            told=self.location,
            task=self.described["task"],
            labels=tuple(self.described["labels"]),
            penalty_weight=float(self.described["record"]["penalty_weight"]),
        )

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` of the run's environment.json; of a bundle its labels and fingerprints only."""
        if self.run is not None:
            told: Mapping[str, Any] = self.run.environment["data"]
            return told
        return {"labels": self.described["labels"], "fingerprints": self.described["record"].get("data", {})}


def read_side(location: str) -> Side:
    """Read a run's or a bundle's directory, but not its weights. Raises LedgerError and BundleError."""
    folder = Folder.at(location)
    if folder.exists("bundle.json"):
        return Side(location, read_bundle_json(folder), run=None)
    run = read_run(location)
    if not folder.exists("champion/bundle.json"):
        told = f"the run has no champion (it is {run.status}), so there is nothing to compare"
        raise LedgerError([Fault(str(folder), told, "give a run that finished")])
    return Side(location, read_bundle_json(folder.below("champion")), run)


def recorded_answers(side: Side) -> Answers:
    """Return what a run's champion decided on its test split. Raises UsageError for a bundle, which keeps none of it."""
    if side.run is None:
        remedy = "give --data FILE, a labelled file to judge both on, or the run that it is from"
        raise UsageError([Fault(side.location, "this is a bundle, which has no test rows in it", remedy)])
    source = side.data["sources"]["test"]
    table = read_predictions(side.location, "test")
    return answers_of_predictions(table, side.model, side.data["fingerprints"].get(source, source))


def answers_on_file(
    a: Side, b: Side, uri: str, *, columns: ChooseColumns, say: Callable[[str], None]
) -> tuple[Answers, Answers]:
    """Let both models decide the labelled rows of a file.

    `columns` turns a model's own columns into those to read. Raises UsageError where the two cannot be compared, DataError
    for what is wrong with the file, BundleError for a model that cannot be loaded.
    """
    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns as Named
    from tuner.data.load import read_labelled
    from tuner.data.table_reader import fingerprint
    from tuner.scoring.indicator import as_indicator

    common_labels(a.model, b.model)
    labels = tuple(dict.fromkeys((*a.model.labels, *b.model.labels)))
    source = fingerprint(uri)
    bundles = [load(side.location) for side in (a, b)]
    named = [Named(**columns(bundle.columns)) for bundle in bundles]
    _refuse_two_truths(uri, *({field: getattr(each, field) for field in LABEL_FIELDS} for each in named))
    answers: list[Answers] = []
    for name, side, bundle, own in zip("AB", (a, b), bundles, named, strict=True):
        split, notes = read_labelled(uri, own, task=bundle.task, labels=labels)
        for note in notes if name == "A" else ():  # they are about labels, and so the same for B
            say(f"note: {note}")
        if source in side.data["fingerprints"].values():
            told = f"the search of {name} read this file: unless it was its test split alone, {name} is flattered"
            say(f"note: {told}")
        answers.append(
            Answers(
                model=side.model,
                source=source,
                rows=np.arange(1, len(split) + 1),
                blocks=split.blocks,
                truth=as_indicator(split.targets, len(labels))[:, [labels.index(label) for label in bundle.labels]],
                decisions=bundle.decide(bundle.predict_proba(split.inputs)),
            )
        )
    return answers[0], answers[1]


def _refuse_two_truths(uri: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    if a != b:
        columns = [", ".join(f"{field}: {value}" for field, value in each.items() if value) for each in (a, b)]
        told = f"A learnt from {columns[0]} and B from {columns[1]}, so the truth would not be the same"
        remedy = "name the column for both, with --label, --labels or --label-columns"
        raise UsageError([Fault(uri, told, remedy)])


def changes(a: Side, b: Side) -> dict[str, Any]:
    """Return what differs: space and environment (None where a side is a bundle, which has neither), configuration, data.

    `notes` say what could not be compared.
    """
    notes: list[str] = []
    spaces = None
    if a.run is not None and b.run is not None:
        try:
            spaces = space_changes(read_space(a.run.space), read_space(b.run.space))
        except SpaceError as error:
            notes.append(f"the spaces are not compared, as this tuner cannot read both: {error.faults[0]}")
    else:
        notes.append("a bundle has no space and no environment, so those are not compared")
    return {
        "space": spaces,
        "configuration": configuration_changes(a.described["configuration"], b.described["configuration"]),
        "data": data_changes(a.data, b.data),
        "environment": environment_changes(a.run.environment, b.run.environment) if a.run and b.run else None,
        "notes": notes,
    }
