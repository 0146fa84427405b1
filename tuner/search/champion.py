"""Test the champion once, and write its bundle, its predictions and its description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided, to_beat
from tuner.bundle.known_rows import KnownRows
from tuner.bundle.members import Member, share_preparations
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.dataset import Dataset
from tuner.ledger.extensions import identify_champion
from tuner.ledger.predictions import predictions_table
from tuner.ledger.run_directory import Ledger, read_measurements
from tuner.scoring.evaluation import without_nan
from tuner.scoring.selection import Bound
from tuner.scoring.signal import gather_evidence
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.best_trials import repeats_of
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
from tuner.search.committee_choice import Alternative, CommitteeChooser
from tuner.search.committee_members import Answers, MemberModels
from tuner.search.committee_record import describe_committee
from tuner.search.finalists import finalist_runs
from tuner.search.judgement import judge_on_fresh_rows
from tuner.search.kept_models import KeptModel
from tuner.search.model_columns import columns_of_model
from tuner.space.load import Space
from tuner.storage import join
from tuner.trial.record import TrialRecord

_BASELINE_MEASURES = ("macro_f1", "score", "skill", "auc", "above_chance_ci")


@dataclass(frozen=True, eq=False, kw_only=True)
class Closing:
    """What a search has at its end, from which its champion is made.

    `models` are the models that `choice` was made among, and `records` those of all trials. `descriptions` has the ledger's
    `baselines` and `data`. `earlier` are the results of a run that had finished and was given more: its earlier champion
    serves until the new one is written. `longer_search` is the command that searches longer, empty if all settings have been
    tried.
    """

    choice: ChampionChoice
    models: Sequence[KeptModel]
    records: Collection[TrialRecord]
    baselines: Sequence[Baseline]
    descriptions: Mapping[str, Any]
    space: Space
    dataset: Dataset
    ledger: Ledger
    earlier: Sequence[Mapping[str, Any]] = ()
    longer_search: str | None = None


def publish_champion(closing: Closing) -> dict[str, Any]:
    """Choose the champion, test it once, and write its bundle, predictions and champion.json. Return the latter's content."""
    dataset, ledger = closing.dataset, closing.ledger
    weight, seed = closing.space.score.penalty_weight, closing.space.search.seed
    chooser = CommitteeChooser(dataset, penalty_weight=weight, seed=seed)
    committee = chooser.choose(closing.space.search.champion, closing.choice, closing.models, closing.baselines)
    chosen, models = committee.chosen, MemberModels(committee.members(), dataset, ledger)
    on_validation = _decide_validation(chosen, models, dataset)
    validation = judge(on_validation, dataset, "validation", penalty_weight=weight, seed=seed)
    aucs = _read_aucs(ledger)
    bundle = _build_bundle(
        closing,
        chosen,
        share_preparations([models.of(each) for each in chosen.members]),
        thresholds=_fit_thresholds(on_validation, dataset),
        evidence={"validation": validation, "health": chosen.lead.health, "rankings": _best_auc(aucs)},
    )
    answers = Answers(models, dataset.test.inputs, dataset)  # from here on the test split is used
    on_test = _decide_test(answers.mean(chosen.members), bundle, dataset)
    looks = gather_evidence(
        dataset.task,
        baselines=closing.descriptions["baselines"],
        profile=closing.descriptions["data"],
        validation=validation,
        configuration=chosen.lead.trial.order.configuration,
        rankings=aucs,
        longer_search=closing.longer_search,
    )
    described = {
        **_describe_choice(closing, chosen.lead),
        "health": chosen.lead.health,
        "thresholds": thresholds_by_label(bundle.thresholds, dataset.task),
        "validation": validation,
        **judge_test(on_test, closing.baselines, dataset, penalty_weight=weight, seed=seed, looks=looks),
        **judge_on_fresh_rows(bundle, dataset, penalty_weight=weight, seed=seed, earlier=closing.earlier),
        **_look_closer(on_test, dataset),
        "committee": describe_committee(committee, chooser, answers, dataset, seed=seed),
        "bundle": join(ledger.location, "champion"),
    }
    described |= _look_back(described, closing.earlier)
    ledger.folder.delete("champion.json")  # so that it never describes another bundle than the one beside it
    save_bundle(ledger.folder.below("champion"), bundle, KnownRows.of(dataset))
    _write_predictions(on_validation, on_test, closing.baselines, dataset, ledger)
    ledger.write_json("champion", described)
    return described


# --- the bundle ---------------------------------------------------------------------------------------------------------


def _build_bundle(
    closing: Closing,
    chosen: Alternative,
    members: tuple[Member, ...],
    *,
    thresholds: NDArray[np.float64],
    evidence: Mapping[str, Any],
) -> Bundle:
    """Return the bundle of some members. Its record says where the leading model comes from, with the `evidence` for it."""
    dataset, order, parent = closing.dataset, chosen.lead.trial.order, chosen.lead.trial.parent
    score = chosen.lead.candidate.score
    return Bundle(
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        thresholds=thresholds,
        columns=columns_of_model(closing.space.data, dataset),
        record={
            "run": closing.ledger.location,
            "trial": order.index,
            "seed": order.seed,
            "penalty_weight": closing.space.score.penalty_weight,
            "validation_scores": _one_run(score) if parent is None else _describe_bound(closing.choice.bounds[parent]),
            "data": dict(dataset.fingerprints),
            **evidence,
            **_shorten(closing.descriptions),
        },
        members=members,
    )


def _decide_validation(chosen: Alternative, models: MemberModels, dataset: Dataset) -> Decided:
    """Decide the validation rows: a single model's bundle predicts them again.

    The members of a committee are not asked again, which would take as long as the test: their stored probabilities count.
    They may come from a lower precision than the bundle's. With folds stored ones count too, because a bundle's model saw
    every row.
    """
    if dataset.folds is not None or chosen.kind != "single":
        return Decided(chosen.decisions, chosen.probabilities)
    probabilities = Answers(models, dataset.validation.inputs, dataset).mean(chosen.members)
    return Decided(decide_validation(probabilities, dataset), probabilities)


def _fit_thresholds(on_validation: Decided, dataset: Dataset) -> NDArray[np.float64]:
    assert on_validation.probabilities is not None
    return fit_thresholds(on_validation.probabilities, dataset.truth("validation"), dataset.task, seen=dataset.seen)


def _read_aucs(ledger: Ledger) -> list[float]:
    """Read the finite AUCs of all measurements of the run."""
    ledger.settle()
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


def _describe_choice(closing: Closing, champion: KeptModel) -> dict[str, Any]:
    """Describe the leading model's trial, the finalists, and how far the model's score depends on the choice."""
    order, parent, choice = champion.trial.order, champion.trial.parent, closing.choice
    configuration_trial = order.index if parent is None else parent
    repeats = repeats_of(configuration_trial, closing.records)
    run_counts = Counter(run.parent for run in finalist_runs(closing.records) if run.parent is not None)
    runs = _runs_by_finalist(closing.models, choice)
    numbers = {finalist: [run.trial.order.index for run in same] for finalist, same in runs.items()}
    curves = curves_of([*repeats, *(number for indices in numbers.values() for number in indices)], closing.ledger)
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
        "finalist_differences": _compare_finalists(
            runs, parent, dataset=closing.dataset, seed=closing.space.search.seed
        ),
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


def _look_back(described: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run's earlier results, and whether the champion is that of the latest one; nothing without any."""
    if not earlier:
        return {}
    return {"earlier": list(earlier), "is_as_before": identify_champion(earlier[-1]) == identify_champion(described)}


# --- the test split -----------------------------------------------------------------------------------------------------


def _decide_test(probabilities: NDArray[np.float64], bundle: Bundle, dataset: Dataset) -> Decided:
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
