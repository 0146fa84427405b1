"""Judge a distilled model: thresholds on validation, then the test split once, beside the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tuner.baselines.baseline import Decided
from tuner.bundle.members import LstmMember
from tuner.bundle.model_bundle import Bundle
from tuner.data.dataset import Dataset
from tuner.distil.comparison import describe_kept, find_single, model_row, seconds_per_1000_rows, size_in_bytes
from tuner.distil.student import Student
from tuner.ledger.predictions import CHAMPION, predictions_of, read_predictions
from tuner.ledger.run_directory import Run
from tuner.scoring.paired import paired_difference
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.search.champion_test import decide_validation, judge
from tuner.space.configuration import Configuration
from tuner.space.load import Space
from tuner.storage import Folder

_OF_CHAMPION = ("data", "baselines", "profile", "rankings")  # of its record: facts about the run


@dataclass(frozen=True, eq=False)
class Work:
    """A run as it was read, its champion, and the model that learnt from it."""

    run: Run
    space: Space
    dataset: Dataset
    champion: Bundle
    student: Student


def judge_student(
    work: Work, configuration: Configuration, *, trial: int, seed: int
) -> tuple[Bundle, Decided, dict[str, Any]]:
    """Fit thresholds on validation, and then test once. Return the bundle, its decisions on test, and the measures."""
    dataset, student, champion = work.dataset, work.student, work.champion
    weight = work.space.score.penalty_weight
    truth = dataset.truth("validation")
    on_validation = Decided(decide_validation(student.probabilities, dataset), student.probabilities)
    validation = judge(on_validation, dataset, "validation", penalty_weight=weight, seed=seed)
    kept = {name: champion.record[name] for name in _OF_CHAMPION if name in champion.record}
    bundle = replace(
        champion,
        thresholds=fit_thresholds(student.probabilities, truth, dataset.task, seen=dataset.seen),
        record={
            **kept,
            "run": work.run.location,
            "trial": trial,
            "seed": seed,
            "penalty_weight": weight,
            "validation_scores": {"mean": validation["score"], "spread": None, "lower": None, "seeds": 1},
            "validation": validation,
            "health": student.health,
        },
        members=(LstmMember(1, trial, configuration, student.model, student.preparation),),
    )
    probabilities = bundle.predict_proba(dataset.test.inputs)
    on_test = Decided(decide(probabilities, bundle.thresholds, dataset.task), probabilities)
    test = judge(on_test, dataset, "test", penalty_weight=weight, seed=seed)
    return bundle, on_test, {"validation": validation, "test": test}


def compare_on_test(work: Work, on_test: Decided, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the distilled model on test with the champion and the best single model: what is kept, and how far it is ahead."""
    dataset, results = work.dataset, work.run.champion
    single = find_single(results)
    kept, sentence = describe_kept(
        distilled=measured["test"]["macro_f1"],
        champion=results["test"]["macro_f1"],
        single=None if single is None else single["test"]["macro_f1"],
    )
    recorded = predictions_of(CHAMPION, read_predictions(work.run.location, "test"), len(dataset.labels))
    ahead = paired_difference(
        on_test.decisions,
        recorded.decisions,
        dataset.truth("test"),
        blocks=dataset.test.blocks,
        seed=work.space.search.seed,
    )
    return {"kept": kept, "sentence": sentence, "ahead_of_champion": asdict(ahead)}


def rows_of_models(work: Work, bundle: Bundle, folder: Folder, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the comparison's rows: the champion, the best single model if that is another one, and the distilled model."""
    inputs, champion, results = work.dataset.test.inputs, work.champion, work.run.champion
    single = find_single(results)
    of_champion = Folder.at(work.run.location).below("champion")
    timed = seconds_per_1000_rows(champion, inputs)
    rows = [model_row("committee" if single else "champion", results, seconds=timed, size=size_in_bytes(of_champion))]
    if single is not None:
        alone = replace(champion, members=champion.members[:1])
        rows.append(model_row("best single", single, seconds=seconds_per_1000_rows(alone, inputs), size=None))
    timed = seconds_per_1000_rows(bundle, inputs)
    return [*rows, model_row("distilled", measured, seconds=timed, size=size_in_bytes(folder))]
