"""Test the champion once, and write its bundle, its predictions and its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided, to_beat
from tuner.bundle.known_rows import KnownRows
from tuner.bundle.member_files import restore_model
from tuner.bundle.members import LstmMember
from tuner.bundle.model_bundle import Bundle, save_bundle
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
from tuner.search.champion_test import decide_validation, judge, judge_test
from tuner.search.choice import ChampionChoice
from tuner.search.judgement import judge_on_fresh_rows
from tuner.search.kept_models import KeptModel
from tuner.search.model_columns import columns_of_model
from tuner.space.load import Space

_BASELINE_MEASURES = ("macro_f1", "score", "skill", "auc", "above_chance_ci")


def publish_champion(
    choice: ChampionChoice,
    models: Sequence[KeptModel],
    baselines: Sequence[Baseline],
    *,
    run_counts: Mapping[int, int],
    repeats: Sequence[int],
    descriptions: Mapping[str, Any],
    space: Space,
    dataset: Dataset,
    ledger: Ledger,
    earlier: Sequence[Mapping[str, Any]] = (),
    longer_search: str | None = None,
) -> dict[str, Any]:
    """Test the champion of `choice` once; write its bundle, predictions and champion.json. Return the content of champion.json.

    `models` are the models that `choice` was made among. `run_counts` counts the runs of each finalist, including runs
    without a model, by the search trial that they repeat. `repeats` are the search trials of the champion's configuration.
    `descriptions` has the ledger's `baselines` and `data`. `earlier` are the results of a run that had finished and was given
    more: its earlier champion serves until the new one is written. `longer_search` is the command that searches longer, empty
    if all settings have been tried.
    """
    champion = next(model for model in models if model.trial.order.index == choice.champion.trial)
    weight, seed = space.score.penalty_weight, space.search.seed
    bundle = _build_bundle(champion, choice, space=space, dataset=dataset, ledger=ledger)
    on_validation = _decide_validation(bundle, champion, dataset=dataset)
    validation = judge(on_validation, dataset, "validation", penalty_weight=weight, seed=seed)
    aucs = _read_aucs(ledger)
    evidence = {"validation": validation, "health": champion.health, "rankings": _best_auc(aucs)}
    record = {**bundle.record, **evidence, **_shorten(descriptions)}
    bundle = replace(bundle, thresholds=_fit_thresholds(on_validation, dataset), record=record)

    on_test = _decide_test(bundle, dataset)
    looks = gather_evidence(
        dataset.task,
        baselines=descriptions["baselines"],
        profile=descriptions["data"],
        validation=validation,
        configuration=champion.trial.order.configuration,
        rankings=aucs,
        longer_search=longer_search,
    )
    described = {
        **_describe_choice(
            champion, choice, models, run_counts=run_counts, repeats=repeats, dataset=dataset, ledger=ledger, seed=seed
        ),
        "health": champion.health,
        "thresholds": thresholds_by_label(bundle.thresholds, dataset.task),
        "validation": validation,
        **judge_test(on_test, baselines, dataset, penalty_weight=weight, seed=seed, looks=looks),
        **judge_on_fresh_rows(bundle, dataset, penalty_weight=weight, seed=seed, earlier=earlier),
        **_look_closer(on_test, dataset),
        **_look_back(champion, earlier),
        "bundle": f"{ledger.location}/champion",
    }
    ledger.folder.delete("champion.json")  # so that it never describes another bundle than the one beside it
    save_bundle(ledger.folder.below("champion"), bundle, KnownRows.of(dataset))
    _write_predictions(on_validation, on_test, baselines, dataset, ledger)
    ledger.write_json("champion", described)
    return described


# --- the bundle ---------------------------------------------------------------------------------------------------------


def _build_bundle(
    model: KeptModel, choice: ChampionChoice, *, space: Space, dataset: Dataset, ledger: Ledger
) -> Bundle:
    """Rebuild a model from its stored weights; its thresholds are still missing."""
    order, parent = model.trial.order, model.trial.parent
    configuration = order.configuration
    bound = _one_run(choice.champion.score) if parent is None else _describe_bound(choice.bounds[parent])
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    network = restore_model(ledger.folder.read(weights_name(order.index)), configuration, preparation)
    if isinstance(preparation, Tokeniser) and network.embedding is not None:
        preparation = preparation.cut(network.embedding.num_embeddings)
    return Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=np.zeros(0),
        columns=columns_of_model(space.data, dataset),
        record={
            "run": ledger.location,
            "trial": order.index,
            "seed": order.seed,
            "penalty_weight": space.score.penalty_weight,
            "validation_scores": bound,
            "data": dict(dataset.fingerprints),
        },
        members=(LstmMember(1, order.index, configuration, network, preparation),),
    )


def _decide_validation(bundle: Bundle, model: KeptModel, *, dataset: Dataset) -> Decided:
    """Decide the validation rows. With folds, use the models that did not see them, because the bundle's model saw every row."""
    is_by_bundle = dataset.folds is None
    probabilities = bundle.predict_proba(dataset.validation.inputs) if is_by_bundle else model.probabilities
    return Decided(decide_validation(probabilities, dataset), probabilities)


def _fit_thresholds(on_validation: Decided, dataset: Dataset) -> NDArray[np.float64]:
    assert on_validation.probabilities is not None
    return fit_thresholds(on_validation.probabilities, dataset.truth("validation"), dataset.task, seen=dataset.seen)


def _read_aucs(ledger: Ledger) -> list[float]:
    """Read the finite AUCs of all measurements of the run."""
    ledger.flush()
    aucs = read_measurements(ledger.location)["auc"].to_pylist()
    return [auc for auc in aucs if auc is not None and np.isfinite(auc)]


def _best_auc(aucs: Sequence[float]) -> dict[str, Any] | None:
    return {"best_auc": max(aucs), "reports": len(aucs)} if aucs else None


def _shorten(descriptions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bundle stores about the baselines and the data, for people who have only the bundle."""
    return {
        "baselines": [
            {
                **{key: row.get(key) for key in ("name", "kind", "seen_share")},
                **{key: row["validation"].get(key) for key in _BASELINE_MEASURES},
            }
            for row in descriptions["baselines"]
        ],
        "profile": {key: value for key, value in descriptions["data"].items() if key != "cooccurrence"},
    }


# --- what was chosen, and from what -------------------------------------------------------------------------------------


def _describe_choice(
    champion: KeptModel,
    choice: ChampionChoice,
    models: Sequence[KeptModel],
    *,
    run_counts: Mapping[int, int],
    repeats: Sequence[int],
    dataset: Dataset,
    ledger: Ledger,
    seed: int,
) -> dict[str, Any]:
    """Describe the champion's trial, the finalists, and how far the champion's score depends on the choice."""
    order, parent = champion.trial.order, champion.trial.parent
    configuration_trial = order.index if parent is None else parent
    runs = _runs_by_finalist(models, choice)
    numbers = {finalist: [run.trial.order.index for run in repeats] for finalist, repeats in runs.items()}
    curves = curves_of([*repeats, *(number for indices in numbers.values() for number in indices)], ledger)
    return {
        "kind": "search trial" if parent is None else "finalist",
        "trial": order.index,
        "parent": configuration_trial,
        "seed": order.seed,
        "epochs": champion.epochs,
        "config": dict(order.configuration),
        "finalists": [
            {
                "trial": finalist,
                "runs": numbers[finalist],
                "scores": [run.candidate.score for run in runs[finalist]],
                **_describe_bound(bound),
                "without_model": run_counts[finalist] - len(runs[finalist]),
            }
            for finalist, bound in sorted(choice.bounds.items(), key=lambda item: -item[1].lower)
        ],
        "finalists_without_model": sorted(set(run_counts) - set(runs)),
        "finalist_differences": _compare_finalists(runs, parent, dataset=dataset, seed=seed),
        "selection": describe_selection(configuration_trial, curves, numbers, repeats=repeats),
    }


def _runs_by_finalist(models: Sequence[KeptModel], choice: ChampionChoice) -> dict[int, list[KeptModel]]:
    """Return the finalists' runs that could become champion, by the search trial that they repeat."""
    return {
        parent: [model for model in models if model.candidate in choice.fit and model.trial.parent == parent]
        for parent in choice.bounds
    }


def _compare_finalists(
    runs: Mapping[int, Sequence[KeptModel]], winner: int | None, *, dataset: Dataset, seed: int
) -> list[dict[str, Any]]:
    """Compare the winner with each other finalist.

    Without a winner the champion is a search trial. It is the best of many on these same rows, so a comparison would favour
    it.
    """
    if winner is None or len(runs) == 1:
        return []
    decisions = {parent: [run.decisions for run in repeats] for parent, repeats in runs.items()}
    truth, blocks = dataset.truth("validation"), dataset.validation.blocks
    return finalist_differences(decisions, winner, truth, blocks=blocks, seed=seed)


def _describe_bound(bound: Bound) -> dict[str, Any]:
    return without_nan(asdict(bound))


def _one_run(score: float) -> dict[str, Any]:
    """Return the same as `_describe_bound`, for a model trained once: nothing is known about other seeds."""
    return {"mean": score, "spread": None, "lower": None, "seeds": 1}


def _look_back(champion: KeptModel, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run's earlier results, and whether the champion is that of the latest one; nothing without any."""
    if not earlier:
        return {}
    return {"earlier": list(earlier), "is_as_before": earlier[-1]["trial"] == champion.trial.order.index}


# --- the test split -----------------------------------------------------------------------------------------------------


def _decide_test(bundle: Bundle, dataset: Dataset) -> Decided:
    probabilities = bundle.predict_proba(dataset.test.inputs)
    return Decided(decide(probabilities, bundle.thresholds, dataset.task), probabilities)


def _write_predictions(
    on_validation: Decided, on_test: Decided, baselines: Sequence[Baseline], dataset: Dataset, ledger: Ledger
) -> None:
    """Write the decisions of the champion and of the baselines that it is compared with."""
    compared = to_beat(baselines)
    for split, decided in (
        ("validation", {"champion": on_validation, **{each.name: each.on_validation for each in compared}}),
        ("test", {"champion": on_test, **{each.name: each.on_test for each in compared}}),
    ):
        table = predictions_table(decided, dataset.truth(split), dataset.splits[split])
        ledger.write_table(f"predictions/{split}", table)


def _look_closer(on_test: Decided, dataset: Dataset) -> dict[str, Any]:
    assert on_test.probabilities is not None
    truth, task = dataset.truth("test"), dataset.task
    return {
        "labels_at_half": labels_at_half(on_test.probabilities, truth, task, dataset.labels),
        "confusion": confusion(on_test.decisions, truth, task),
        "most_wrong": most_wrong(on_test, truth, dataset.test, dataset),
    }
