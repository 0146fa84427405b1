"""From finalists to a champion: the choice, the thresholds, the one look at the test split, the verdict, the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines import Baseline, Decided, to_beat
from tuner.bundle import Bundle, read_probabilities, restore_model, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.tokenise import Tokeniser
from tuner.ledger import Ledger, held_out_name, read_reports, weights_name
from tuner.scoring.evaluation import without_nan
from tuner.scoring.selection import Bound, champion, lower_bounds
from tuner.scoring.signal import looks_of
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.evidence import (
    confusion,
    describe_selection,
    finalist_differences,
    labels_at_half,
    most_wrong,
    predictions_table,
    thresholds_by_label,
)
from tuner.search.judging import decide_validation, judge, judge_test, truth_of
from tuner.search.trials import TrialState
from tuner.space.load import Space
from tuner.space.settings import LABEL_FIELDS

_OF_BASELINES = ("macro_f1", "score", "skill", "auc", "above_chance_ci")


def crown(
    runs: Mapping[int, Sequence[TrialState]],
    baselines: Sequence[Baseline],
    *,
    search_scores: Mapping[int, float],
    told: Mapping[str, Any],
    space: Space,
    dataset: Dataset,
    ledger: Ledger,
) -> dict[str, Any]:
    """Choose the champion, judge it once on the test split, and write its bundle, its predictions and champion.json.

    `runs` are the finalists' runs by the search trial that each repeats, at least one, and `search_scores` the scores of
    those trials. `told` is what the ledger has as `baselines` and as `data`.
    """
    bounds = lower_bounds({parent: [run.score for run in states] for parent, states in runs.items()})
    winner = champion(bounds)
    best_run = max(runs[winner], key=lambda run: run.score)
    assert best_run.best is not None  # a run without a report has no score, and is not among them
    health = without_nan(best_run.best.health)
    bundle = _build_bundle(best_run, bounds[winner], space=space, dataset=dataset, ledger=ledger)
    on_validation = _decide_validation(bundle, best_run, dataset=dataset, ledger=ledger)
    weight, seed = space.score.penalty_weight, space.search.seed
    validation = judge(on_validation, dataset, "validation", penalty_weight=weight, seed=seed)
    record = {**bundle.record, "validation": validation, "health": health, **_record_of(told)}
    bundle = replace(bundle, thresholds=_fit(on_validation, dataset), record=record)
    save_bundle(ledger.folder.below("champion"), bundle)
    probabilities = bundle.predict_proba(dataset.test.inputs)
    on_test = Decided(decide(probabilities, bundle.thresholds, dataset.task), probabilities)
    _write_predictions(on_validation, on_test, baselines, dataset, ledger)
    ledger.flush()
    looks = looks_of(
        dataset.task,
        baselines=told["baselines"],
        profile=told["data"],
        validation=validation,
        configuration=best_run.order.configuration,
        rankings=read_reports(ledger.location)["auc"].to_pylist(),
    )
    described = {
        "trial": best_run.order.index,
        "parent": winner,
        "seed": best_run.order.seed,
        "epochs": best_run.best.epochs,
        "config": dict(best_run.order.configuration),
        "finalists": [
            {"trial": parent, "scores": [run.score for run in runs[parent]], **_describe_bound(bound)}
            for parent, bound in sorted(bounds.items(), key=lambda item: -item[1].lower)
        ],
        "finalist_differences": _compare_finalists(runs, winner, space=space, dataset=dataset, ledger=ledger),
        "selection": describe_selection(search_scores[winner], [run.score for run in runs[winner]]),
        "health": health,
        "thresholds": thresholds_by_label(bundle.thresholds, dataset.task),
        "validation": validation,
        **judge_test(on_test, baselines, dataset, penalty_weight=weight, seed=seed, looks=looks),
        **_look_closer(on_test, dataset),
        "bundle": f"{ledger.location}/champion",
    }
    ledger.write_json("champion", described)
    return described


def _build_bundle(run: TrialState, bound: Bound, *, space: Space, dataset: Dataset, ledger: Ledger) -> Bundle:
    """Rebuild a finalist's best model, with thresholds still to be fitted."""
    configuration = run.order.configuration
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    model = restore_model(ledger.folder.read(weights_name(run.order.index)), configuration, preparation)
    if isinstance(preparation, Tokeniser) and model.embedding is not None:
        preparation = preparation.cut(model.embedding.num_embeddings)
    return Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=np.zeros(0),
        configuration=configuration,
        columns={name: getattr(space.data, name) for name in ("text", "sequence", *LABEL_FIELDS, "group")},
        record={
            "run": ledger.location,
            "trial": run.order.index,
            "seed": run.order.seed,
            "penalty_weight": space.score.penalty_weight,
            "validation_scores": _describe_bound(bound),
            "data": dict(dataset.fingerprints),
        },
        model=model,
        preparation=preparation,
    )


def _record_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of the ledger goes with the bundle, for whoever has nothing else."""
    return {
        "baselines": [
            {
                **{key: row.get(key) for key in ("name", "kind", "seen_share")},
                **{key: row["validation"].get(key) for key in _OF_BASELINES},
            }
            for row in told["baselines"]
        ],
        "profile": {key: value for key, value in told["data"].items() if key != "cooccurrence"},
    }


def _decide_validation(bundle: Bundle, run: TrialState, *, dataset: Dataset, ledger: Ledger) -> Decided:
    """Judge the validation rows by the bundle; with folds by the models that did not see them, for the bundle's saw all."""
    is_by_bundle = dataset.folds is None
    probabilities = bundle.predict_proba(dataset.validation.inputs) if is_by_bundle else _read_validation(run, ledger)
    return Decided(decide_validation(probabilities, dataset), probabilities)


def _fit(on_validation: Decided, dataset: Dataset) -> NDArray[np.float64]:
    assert on_validation.probabilities is not None
    return fit_thresholds(on_validation.probabilities, truth_of(dataset, "validation"), dataset.task, seen=dataset.seen)


def _read_validation(run: TrialState, ledger: Ledger) -> NDArray[np.float64]:
    """The probabilities of the validation rows that a finalist's run kept from its best report."""
    return read_probabilities(ledger.folder.read(held_out_name(weights_name(run.order.index))))


def _compare_finalists(
    runs: Mapping[int, Sequence[TrialState]], winner: int, *, space: Space, dataset: Dataset, ledger: Ledger
) -> list[dict[str, Any]]:
    if len(runs) == 1:
        return []
    decisions = {
        parent: [decide_validation(_read_validation(run, ledger), dataset) for run in states]
        for parent, states in runs.items()
    }
    truth, blocks = truth_of(dataset, "validation"), dataset.validation.blocks
    return finalist_differences(decisions, winner, truth, blocks=blocks, seed=space.search.seed)


def _look_closer(on_test: Decided, dataset: Dataset) -> dict[str, Any]:
    assert on_test.probabilities is not None
    truth, task = truth_of(dataset, "test"), dataset.task
    return {
        "labels_at_half": labels_at_half(on_test.probabilities, truth, task, dataset.labels),
        "confusion": confusion(on_test.decisions, truth, task),
        "most_wrong": most_wrong(on_test, truth, dataset.test, dataset),
    }


def _write_predictions(
    on_validation: Decided, on_test: Decided, baselines: Sequence[Baseline], dataset: Dataset, ledger: Ledger
) -> None:
    rivals = to_beat(baselines)
    for split, models in (
        ("validation", {"champion": on_validation, **{each.name: each.on_validation for each in rivals}}),
        ("test", {"champion": on_test, **{each.name: each.on_test for each in rivals}}),
    ):
        table = predictions_table(models, truth_of(dataset, split), dataset.splits[split])
        ledger.write_table(f"predictions/{split}", table)


def _describe_bound(bound: Bound) -> dict[str, Any]:
    return without_nan(asdict(bound))
