"""Fit the linear baseline of a run again, as a model that predicts other rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.linear import LinearDecisions, decide_linear
from tuner.bundle.known_rows import KnownRows
from tuner.data.dataset import Dataset, RowInputs
from tuner.data.load import load_data
from tuner.data.token_lists import are_token_lists
from tuner.errors import Fault, LedgerError, UsageError
from tuner.ledger.predictions import predictions_of, read_predictions
from tuner.ledger.run_directory import Run, read_run
from tuner.scoring.indicator import Indicator, name_decisions
from tuner.scoring.thresholds import decide
from tuner.search.model_columns import columns_of_model
from tuner.search.moved_files import refuse_moved_files
from tuner.search.resume import check_data
from tuner.show_value import show_duration
from tuner.space.load import read_space
from tuner.space.task import Task


@dataclass(frozen=True, eq=False)
class BaselineModel:
    """A linear model with its thresholds, used like a bundle, whose fields it has. `known` are the rows of its run."""

    task: Task
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    columns: Mapping[str, Any]
    record: Mapping[str, Any]
    is_tokenised: bool
    fitted: LinearDecisions = field(repr=False)
    known: KnownRows = field(repr=False)

    def predict_proba(self, inputs: RowInputs) -> NDArray[np.float64]:
        """Return the probability of every label, (rows, labels)."""
        return self.fitted.model.probabilities(inputs)

    def decide(self, probabilities: NDArray[np.float64]) -> Indicator:
        """Return decisions (rows, labels) from probabilities of that shape."""
        return decide(probabilities, self.fitted.thresholds, self.task)

    def name_decisions(self, decisions: Indicator) -> list[str] | list[list[str]]:
        """Turn decisions (rows, labels) into names of labels: one for each row, or a list in multi-label."""
        return name_decisions(decisions, self.labels, is_list=self.task == "multilabel")


def fit_baseline(location: str, name: str, say: Callable[[str], None], overrides: Sequence[str] = ()) -> BaselineModel:
    """Fit the linear baseline of a run whose name begins with `name`, on the run's training rows, and say how it scored.

    `overrides` may name the files of the run where they are now. Raises InputError if there is no such baseline, or if the rows
    have moved or changed.
    """
    run = read_run(location)
    named = _find(run, name)
    space = read_space(run.space, overrides)
    refuse_moved_files(run, space)
    start = time.perf_counter()
    dataset = load_data(space.data, space.task, space.search.seed, say)
    check_data(run, dataset)
    fitted = decide_linear(dataset, dataset.truth("train"))
    seconds = time.perf_counter() - start
    say(f"{named} of run {run.name}: fitted again in {show_duration(seconds)}, {_compare(run, named, fitted, dataset)}")
    inputs = dataset.train.inputs
    return BaselineModel(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        columns=columns_of_model(space.data, dataset),
        record={"penalty_weight": space.score.penalty_weight},
        is_tokenised=isinstance(inputs, tuple) and are_token_lists(inputs),
        fitted=fitted,
        known=KnownRows.of(dataset),
    )


def _find(run: Run, name: str) -> str:
    """Return the name of the run's linear baseline that begins with `name`. Raises UsageError."""
    names = [str(row["name"]) for row in run.baselines if row["kind"] == "model"]
    for each in names:
        if name and each.casefold().startswith(name.casefold()):
            return each
    known = f"there is {names[0]!r}: --baseline {names[0].split()[0]}" if names else "resume the run until it has some"
    what = f"run {run.name} has no such linear baseline" if names else f"run {run.name} has no baselines yet"
    raise UsageError([Fault(f"--baseline {name}", what, known)])


def _compare(run: Run, name: str, fitted: LinearDecisions, dataset: Dataset) -> str:
    """Say whether the model decides as the run recorded, and how it scored there."""
    scored = {row["name"]: row["macro_f1"] for row in run.champion.get("test_baselines", ())}
    try:
        recorded = predictions_of(name, read_predictions(run.location, "test"), len(dataset.labels))
    except LedgerError:  # the run has no champion
        recorded = None
    if name not in scored or recorded is None or recorded.decisions.shape != fitted.on_test.decisions.shape:
        validation = next(row["validation"] for row in run.baselines if row["name"] == name)
        return f"as the run did; it scored macro-F1 {validation['macro_f1']:.3f} on validation, and no test is recorded"
    differing = int((recorded.decisions != fitted.on_test.decisions).any(axis=1).sum())
    score = f"macro-F1 {scored[name]:.3f} on test"
    if not differing:
        return f"the same model that scored {score}: it decides all {len(dataset.test):,} test rows as recorded"
    return f"as the model that scored {score}, but it decides {differing:,} of {len(dataset.test):,} test rows in another way"
