"""The two models of a comparison, from runs or bundles: their decisions, and the differences in how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.bundle.bundle_json import leading_configuration, read_bundle_json
from tuner.comparison.changes import configuration_changes, data_changes, environment_changes, space_changes
from tuner.comparison.compare import DecidedRows, ModelTask, champion_rows, common_labels
from tuner.data.name_lists import number_of_rows
from tuner.errors import Fault, LedgerError, SpaceError, UsageError
from tuner.ledger.predictions import read_predictions
from tuner.ledger.run_directory import Run, read_run
from tuner.space.load import read_space
from tuner.space.task import LABEL_FIELDS
from tuner.space.text_format import FOUND_OUT, TextFormat
from tuner.storage import Folder

if TYPE_CHECKING:
    from tuner.data.dataset import Split

Columns = Mapping[str, Any]
ChooseColumns = Callable[[Columns], Columns]
"""Takes the columns that a model was trained on and returns those to read."""


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """The champion of a run, or a bundle, which has no run. `description` is its bundle.json."""

    location: str
    description: Mapping[str, Any]
    run: Run | None

    @property
    def kind(self) -> str:
        """Either "run" or "bundle"."""
        return "bundle" if self.run is None else "run"

    @property
    def model(self) -> ModelTask:
        """The model's task and labels, known without loading its weights."""
        return ModelTask(
            name=self.location,
            task=self.description["task"],
            labels=tuple(self.description["labels"]),
            penalty_weight=float(self.description["record"]["penalty_weight"]),
        )

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` of the run's environment.json; for a bundle only labels and fingerprints."""
        if self.run is not None:
            data: Mapping[str, Any] = self.run.environment["data"]
            return data
        return {"labels": self.description["labels"], "fingerprints": self.description["record"].get("data", {})}


def read_compared_model(location: str) -> ComparedModel:
    """Read the directory of a run or a bundle, without its weights. Raises LedgerError and BundleError."""
    folder = Folder.at(location)
    if folder.exists("bundle.json"):
        return ComparedModel(location, read_bundle_json(folder), run=None)
    run = read_run(location)
    if not folder.exists("champion/bundle.json"):
        what = f"the run has no champion (it is {run.status}), so there is nothing to compare"
        raise LedgerError([Fault(str(folder), what, "give a run that finished")])
    return ComparedModel(location, read_bundle_json(folder.below("champion")), run)


def recorded_rows(compared: ComparedModel) -> DecidedRows:
    """Return the decisions of a run's champion on its test split. A bundle does not store any: raises UsageError."""
    if compared.run is None:
        remedy = "give --data FILE, a labelled file to evaluate both models on, or give the run that made the bundle"
        raise UsageError([Fault(compared.location, "this is a bundle, which contains no test rows", remedy)])
    source = compared.data["sources"]["test"]
    table = read_predictions(compared.location, "test")
    return champion_rows(table, compared.model, compared.data["fingerprints"].get(source, source))


def rows_of_file(
    a: ComparedModel,
    b: ComparedModel,
    uri: str,
    *,
    columns: ChooseColumns,
    say: Callable[[str], None],
    text_format: TextFormat = FOUND_OUT,
) -> tuple[DecidedRows, DecidedRows]:
    """Let both models decide the labelled rows of a file.

    `columns` takes a model's own columns and returns those to read. Raises UsageError if the models cannot be compared,
    DataError if the file is faulty, and BundleError if a model cannot be loaded.
    """
    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns as NamedColumns
    from tuner.data.load import read_labelled
    from tuner.data.table_reader import fingerprint
    from tuner.scoring.indicator import as_indicator

    common_labels(a.model, b.model)
    labels = tuple(dict.fromkeys((*a.model.labels, *b.model.labels)))
    source = fingerprint(uri)
    bundles = [load(compared.location) for compared in (a, b)]
    named = [NamedColumns(**columns(bundle.columns), is_tokenised=bundle.is_tokenised) for bundle in bundles]
    _refuse_two_truths(uri, *({field: getattr(each, field) for field in LABEL_FIELDS} for each in named))
    decided: list[DecidedRows] = []
    for name, compared, bundle, columns_of_model in zip("AB", (a, b), bundles, named, strict=True):
        split, notes = read_labelled(uri, columns_of_model, task=bundle.task, labels=labels, text_format=text_format)
        for note in notes if name == "A" else ():  # notes are about labels, so they are the same for B
            say(f"note: {note}")
        if advantage := _advantage(name, compared, split, source):
            say(f"note: {advantage}")
        decided.append(
            DecidedRows(
                model=compared.model,
                source=source,
                rows=np.arange(1, len(split) + 1),
                blocks=split.blocks,
                truth=as_indicator(split.targets, len(labels))[:, [labels.index(label) for label in bundle.labels]],
                decisions=bundle.decide(bundle.predict_proba(split.inputs)),
            )
        )
    return decided[0], decided[1]


def _advantage(name: str, compared: ComparedModel, split: Split, source: str) -> str | None:
    """Say on how many of the rows of a file a model was trained or chosen; None if there are none.

    A bundle that does not know its rows knows the files that its search read.
    """
    from tuner.bundle.known_rows import read_known_rows

    known = read_known_rows(compared.location)
    if known is not None:
        counts = known.find(split.inputs).counts
        if not counts["trained"] + counts["chosen"]:
            return None
        used = f"{name} was trained on {counts['trained']:,} and chosen on {counts['chosen']:,}"
        return f"of {number_of_rows(len(split))}, {used}, so {name} has an unfair advantage"
    if source in compared.data["fingerprints"].values():
        unless = "unless it used the file only as its test split"
        return f"the search of {name} read this file; {unless}, {name} has an unfair advantage"
    return None


def _refuse_two_truths(uri: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    if a != b:
        columns = [", ".join(f"{field}: {value}" for field, value in each.items() if value) for each in (a, b)]
        what = f"A was trained on {columns[0]} and B on {columns[1]}, so they would have different true labels"
        remedy = "name one column for both, with --label, --labels or --label-columns"
        raise UsageError([Fault(uri, what, remedy)])


def changes(a: ComparedModel, b: ComparedModel) -> dict[str, Any]:
    """Return the differences in space, configuration, data and environment.

    Space and environment are None if a model is a bundle, which has neither. `notes` say what could not be compared.
    """
    notes: list[str] = []
    spaces = None
    if a.run is not None and b.run is not None:
        try:
            spaces = space_changes(read_space(a.run.space), read_space(b.run.space))
        except SpaceError as error:
            notes.append(f"the spaces are not compared because this tuner cannot read both: {error.faults[0]}")
    else:
        notes.append("a bundle has no space and no environment, so these are not compared")
    for name, models in (("A", a.description["members"]), ("B", b.description["members"])):
        if len(models) > 1:
            notes.append(
                f"{name} is a committee of {len(models)} models; its configuration here is that of the best one"
            )
    return {
        "space": spaces,
        "configuration": configuration_changes(*(leading_configuration(each.description) for each in (a, b))),
        "data": data_changes(a.data, b.data),
        "environment": environment_changes(a.run.environment, b.run.environment) if a.run and b.run else None,
        "notes": notes,
    }
