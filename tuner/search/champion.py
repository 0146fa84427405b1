"""From a choice to a champion: the thresholds, the one look at the test split, the verdict, the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided, to_beat
from tuner.bundle.model_bundle import Bundle, restore_model, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.tokenisers import Tokeniser
from tuner.ledger.predictions import predictions_table
from tuner.ledger.run_directory import Ledger, read_measurements, weights_name
from tuner.scoring.evaluation import without_nan
from tuner.scoring.selection import Bound
from tuner.scoring.signal import gather_evidence
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.champion_record import (
    confusion,
    curves_of,
    describe_selection,
    finalist_differences,
    labels_at_half,
    most_wrong,
    thresholds_by_label,
)
from tuner.search.champion_test import decide_validation, judge, judge_test, truth_of
from tuner.search.choice import Choice
from tuner.search.kept_models import KeptModel
from tuner.space.load import Space
from tuner.space.settings import LABEL_FIELDS

_OF_BASELINES = ("macro_f1", "score", "skill", "auc", "above_chance_ci")


def crown(
    choice: Choice,
    models: Sequence[KeptModel],
    baselines: Sequence[Baseline],
    *,
    asked: Mapping[int, int],
    told: Mapping[str, Any],
    space: Space,
    dataset: Dataset,
    ledger: Ledger,
) -> dict[str, Any]:
    """Judge the champion that was chosen among `models` once on the test split, and write its bundle and champion.json.

    `asked` counts the finalists' runs by the search trial that each repeats, with those that gave no model. `told` is what the
    ledger has as `baselines` and as `data`.
    """
    chosen = next(model for model in models if model.trial.order.index == choice.champion.trial)
    order, parent = chosen.trial.order, chosen.trial.parent
    is_finalist = parent is not None
    bound = _describe_bound(choice.bounds[parent]) if parent is not None else _of_one_run(choice.champion.score)
    bundle = _build_bundle(chosen, bound, space=space, dataset=dataset, ledger=ledger)
    on_validation = _decide_validation(bundle, chosen, dataset=dataset)
    weight, seed = space.score.penalty_weight, space.search.seed
    validation = judge(on_validation, dataset, "validation", penalty_weight=weight, seed=seed)
    ledger.flush()
    rankings = [
        auc for auc in read_measurements(ledger.location)["auc"].to_pylist() if auc is not None and np.isfinite(auc)
    ]
    best_of_measurements = {"best_auc": max(rankings), "reports": len(rankings)} if rankings else None
    told_of_training = {"validation": validation, "health": chosen.health, "rankings": best_of_measurements}
    record = {**bundle.record, **told_of_training, **_record_of(told)}
    bundle = replace(bundle, thresholds=_fit(on_validation, dataset), record=record)
    save_bundle(ledger.folder.below("champion"), bundle)
    probabilities = bundle.predict_proba(dataset.test.inputs)
    on_test = Decided(decide(probabilities, bundle.thresholds, dataset.task), probabilities)
    _write_predictions(on_validation, on_test, baselines, dataset, ledger)
    looks = gather_evidence(
        dataset.task,
        baselines=told["baselines"],
        profile=told["data"],
        validation=validation,
        configuration=order.configuration,
        rankings=rankings,
    )
    runs = _fit_runs(models, choice)
    numbers = {each: [run.trial.order.index for run in own] for each, own in runs.items()}
    configuration_of = parent if parent is not None else order.index
    curves = curves_of([configuration_of, *(number for own in numbers.values() for number in own)], ledger)
    described = {
        "kind": "finalist" if is_finalist else "search trial",
        "trial": order.index,
        "parent": configuration_of,
        "seed": order.seed,
        "epochs": chosen.epochs,
        "config": dict(order.configuration),
        "finalists": [
            {
                "trial": each,
                "runs": numbers[each],
                "scores": [run.candidate.score for run in runs[each]],
                **_describe_bound(found),
                "without_model": asked[each] - len(runs[each]),
            }
            for each, found in sorted(choice.bounds.items(), key=lambda item: -item[1].lower)
        ],
        "finalists_without_model": sorted(set(asked) - set(runs)),
        "finalist_differences": _compare_finalists(runs, parent, dataset=dataset, seed=seed),
        "selection": describe_selection(configuration_of, curves, numbers),
        "health": chosen.health,
        "thresholds": thresholds_by_label(bundle.thresholds, dataset.task),
        "validation": validation,
        **judge_test(on_test, baselines, dataset, penalty_weight=weight, seed=seed, looks=looks),
        **_look_closer(on_test, dataset),
        "bundle": f"{ledger.location}/champion",
    }
    ledger.write_json("champion", described)
    return described


def _fit_runs(models: Sequence[KeptModel], choice: Choice) -> dict[int, list[KeptModel]]:
    """The finalists' runs that were candidates, by the search trial that each repeats."""
    return {
        parent: [model for model in models if model.candidate in choice.fit and model.trial.parent == parent]
        for parent in choice.bounds
    }


def _build_bundle(
    model: KeptModel, bound: Mapping[str, Any], *, space: Space, dataset: Dataset, ledger: Ledger
) -> Bundle:
    """Rebuild a model, with thresholds still to be fitted."""
    order = model.trial.order
    configuration = order.configuration
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    network = restore_model(ledger.folder.read(weights_name(order.index)), configuration, preparation)
    if isinstance(preparation, Tokeniser) and network.embedding is not None:
        preparation = preparation.cut(network.embedding.num_embeddings)
    return Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=np.zeros(0),
        configuration=configuration,
        columns={name: getattr(space.data, name) for name in ("text", "sequence", *LABEL_FIELDS, "group")},
        record={
            "run": ledger.location,
            "trial": order.index,
            "seed": order.seed,
            "penalty_weight": space.score.penalty_weight,
            "validation_scores": bound,
            "data": dict(dataset.fingerprints),
        },
        model=network,
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


def _decide_validation(bundle: Bundle, model: KeptModel, *, dataset: Dataset) -> Decided:
    """Judge the validation rows by the bundle; with folds by the models that did not see them, for the bundle's saw all."""
    is_by_bundle = dataset.folds is None
    probabilities = bundle.predict_proba(dataset.validation.inputs) if is_by_bundle else model.probabilities
    return Decided(decide_validation(probabilities, dataset), probabilities)


def _fit(on_validation: Decided, dataset: Dataset) -> NDArray[np.float64]:
    assert on_validation.probabilities is not None
    return fit_thresholds(on_validation.probabilities, truth_of(dataset, "validation"), dataset.task, seen=dataset.seen)


def _compare_finalists(
    runs: Mapping[int, Sequence[KeptModel]], winner: int | None, *, dataset: Dataset, seed: int
) -> list[dict[str, Any]]:
    """The winner against each other finalist; of a search trial, the best of many by these very rows, it would tell too much."""
    if winner is None or len(runs) == 1:
        return []
    decisions = {parent: [run.decisions for run in own] for parent, own in runs.items()}
    truth, blocks = truth_of(dataset, "validation"), dataset.validation.blocks
    return finalist_differences(decisions, winner, truth, blocks=blocks, seed=seed)


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


def _of_one_run(score: float) -> dict[str, Any]:
    """As `_describe_bound` has it of a model that was trained once: nothing is known of other seeds."""
    return {"mean": score, "spread": None, "lower": None, "seeds": 1}
