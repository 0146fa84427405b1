"""From finalists to a champion: the choice, the thresholds, the one look at the test split, the verdict, the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines import Baseline
from tuner.bundle import Bundle, held_out_name, read_probabilities, restore_model, save_bundle
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.tokenise import Tokeniser
from tuner.ledger import Ledger
from tuner.scoring.bootstrap import Interval, paired_difference
from tuner.scoring.evaluation import describe, evaluate, without_nan
from tuner.scoring.f1 import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.selection import Bound, champion, lower_bounds
from tuner.scoring.thresholds import FOLDS_SEED, cross_fitted_decisions, decide, decisions_by_fold, fit_thresholds
from tuner.scoring.verdict import verdict
from tuner.search.desk import TrialState, weights_name
from tuner.space.load import Space
from tuner.space.settings import LABEL_FIELDS


def describe_baselines(baselines: Sequence[Baseline], dataset: Dataset, penalty_weight: float) -> list[dict[str, Any]]:
    """Measure every baseline on validation; the test split stays sealed."""
    truth = as_indicator(dataset.validation.targets, len(dataset.labels))
    rows = []
    for baseline in baselines:
        measures = measure(
            baseline.validation, truth, dataset.task, penalty_weight=penalty_weight, names=dataset.labels
        )
        rows.append(
            {
                "name": baseline.name,
                "kind": baseline.kind,
                "seconds": baseline.seconds,
                "validation": describe(measures, dataset.labels),
            }
        )
    return rows


def crown(
    runs: Mapping[int, Sequence[TrialState]],
    baselines: Sequence[Baseline],
    *,
    space: Space,
    dataset: Dataset,
    ledger: Ledger,
) -> dict[str, Any]:
    """Choose the champion, judge it once on the test split, and write its bundle and champion.json.

    `runs` are the finalists' runs by the search trial that each repeats, at least one.
    """
    bounds = lower_bounds({parent: [run.score for run in states] for parent, states in runs.items()})
    winner = champion(bounds)
    best_run = max(runs[winner], key=lambda run: run.score)
    bundle = _build_bundle(best_run, bounds[winner], space=space, dataset=dataset, ledger=ledger)
    on_validation = _predict_validation(bundle, best_run, dataset=dataset, ledger=ledger)
    truth = as_indicator(dataset.validation.targets, len(dataset.labels))
    bundle = replace(bundle, thresholds=fit_thresholds(on_validation, truth, dataset.task, seen=dataset.seen))
    save_bundle(ledger.folder.below("champion"), bundle)
    validation = _judge_validation(on_validation, truth, space=space, dataset=dataset)
    test = _judge_test(bundle, baselines, space=space, dataset=dataset)
    described = {
        "trial": best_run.order.index,
        "parent": winner,
        "seed": best_run.order.seed,
        "epochs": best_run.best.epochs if best_run.best else None,
        "config": dict(best_run.order.configuration),
        "finalists": [
            {"trial": parent, "scores": [run.score for run in runs[parent]], **_describe_bound(bound)}
            for parent, bound in sorted(bounds.items(), key=lambda item: -item[1].lower)
        ],
        "validation": validation,
        "test": test["champion"],
        "test_baselines": test["baselines"],
        "verdict": test["verdict"],
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
        columns={name: getattr(space.data, name) for name in ("text", "sequence", *LABEL_FIELDS)},
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


def _predict_validation(bundle: Bundle, run: TrialState, *, dataset: Dataset, ledger: Ledger) -> NDArray[np.float64]:
    """Probabilities of the validation rows; with folds, by the models that did not see them: the bundle's saw all."""
    if dataset.folds is None:
        return bundle.predict_proba(dataset.validation.inputs)
    return read_probabilities(ledger.folder.read(held_out_name(weights_name(run.order.index))))


def _judge_validation(
    probabilities: NDArray[np.float64], truth: Indicator, *, space: Space, dataset: Dataset
) -> dict[str, Any]:
    if dataset.folds is None:
        decisions = cross_fitted_decisions(probabilities, truth, dataset.task, seed=FOLDS_SEED, seen=dataset.seen)
    else:
        decisions = decisions_by_fold(probabilities, truth, dataset.task, fold=dataset.folds, seen=dataset.seen)
    return _measured(decisions, probabilities, truth, space=space, dataset=dataset)


def _judge_test(bundle: Bundle, baselines: Sequence[Baseline], *, space: Space, dataset: Dataset) -> dict[str, Any]:
    truth = as_indicator(dataset.test.targets, len(dataset.labels))
    probabilities = bundle.predict_proba(dataset.test.inputs)
    decisions = decide(probabilities, bundle.thresholds, dataset.task)
    measured = _measured(decisions, probabilities, truth, space=space, dataset=dataset)
    differences = {
        baseline.name: paired_difference(decisions, baseline.test, truth, seed=space.search.seed)
        for baseline in baselines
    }
    rows = []
    for baseline in baselines:
        measures = measure(baseline.test, truth, dataset.task, penalty_weight=space.score.penalty_weight)
        difference = differences[baseline.name]
        rows.append(
            {
                "name": baseline.name,
                "macro_f1": measures.macro_f1,
                "score": measures.score,
                "champion_ahead": difference.value,
                "champion_ahead_ci": [difference.low, difference.high],
            }
        )
    skill = Interval(measured["skill"], *measured["skill_ci"])
    return {"champion": measured, "baselines": rows, "verdict": verdict(skill, differences)}


def _measured(
    decisions: Indicator, probabilities: NDArray[np.float64], truth: Indicator, *, space: Space, dataset: Dataset
) -> dict[str, Any]:
    return evaluate(
        decisions,
        probabilities,
        truth,
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        penalty_weight=space.score.penalty_weight,
        seed=space.search.seed,
    )


def _describe_bound(bound: Bound) -> dict[str, Any]:
    return without_nan(asdict(bound))
