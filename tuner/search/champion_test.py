"""Measure the champion and the baselines on a split, and test the champion: measures, intervals, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided, to_beat
from tuner.data.dataset import Dataset
from tuner.scoring.bootstrap import Interval
from tuner.scoring.evaluation import describe_judged, evaluate, intervals_of, note_on_rare
from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import measure
from tuner.scoring.paired import paired_difference
from tuner.scoring.signal import SignalEvidence, find_signal
from tuner.scoring.thresholds import cross_fitted_decisions
from tuner.scoring.verdict import explain, reach_verdict

_WITH_INTERVALS = ("model", "control", "probe")  # a rule learns nothing, so its interval is of no use


def describe_baselines(
    baselines: Sequence[Baseline], dataset: Dataset, *, penalty_weight: float, seed: int
) -> list[dict[str, Any]]:
    """Measure every baseline on validation, as trials are measured. The test split stays sealed. `seed` draws the intervals."""
    return [
        {
            "name": baseline.name,
            "kind": baseline.kind,
            "seconds": baseline.seconds,
            "seen_share": baseline.seen_share,
            "validation": judge(
                baseline.on_validation,
                dataset,
                "validation",
                penalty_weight=penalty_weight,
                seed=seed if baseline.kind in _WITH_INTERVALS else None,
            ),
        }
        for baseline in baselines
    ]


def judge(decided: Decided, dataset: Dataset, split: str, *, penalty_weight: float, seed: int | None) -> dict[str, Any]:
    """Measure decisions on a split; with a `seed`, add intervals."""
    common: dict[str, Any] = {
        "task": dataset.task,
        "labels": dataset.labels,
        "seen": dataset.seen,
        "penalty_weight": penalty_weight,
        "fold": dataset.folds if split == "validation" else None,
    }
    truth = dataset.truth(split)
    if seed is None:
        return describe_judged(decided.decisions, decided.probabilities, truth, **common)
    blocks = dataset.splits[split].blocks
    return evaluate(decided.decisions, decided.probabilities, truth, blocks=blocks, seed=seed, **common)


def decide_validation(probabilities: NDArray[np.float64], dataset: Dataset) -> Indicator:
    """Return decisions (validation rows, labels); each row's thresholds are fitted on other rows."""
    truth, task, seen = dataset.truth("validation"), dataset.task, dataset.seen
    return cross_fitted_decisions(probabilities, truth, task, parts=dataset.parts, seen=seen)


def judge_test(
    decided: Decided,
    baselines: Sequence[Baseline],
    dataset: Dataset,
    *,
    penalty_weight: float,
    seed: int,
    looks: SignalEvidence,
) -> dict[str, Any]:
    """Test the champion's decisions against the baselines: test, test_baselines, verdict, reason and signal.

    `looks` is what the search's models reached on validation.
    """
    truth = dataset.truth("test")
    compared = to_beat(baselines)
    measured = judge(decided, dataset, "test", penalty_weight=penalty_weight, seed=seed)
    differences = {
        baseline.name: paired_difference(decided.decisions, baseline.test, truth, blocks=dataset.test.blocks, seed=seed)
        for baseline in compared
    }
    drawn = intervals_of(measured)
    models = [baseline for baseline in compared if baseline.kind == "model"]
    signal = find_signal(replace(looks, test=measured))
    return {
        "test": measured,
        "test_baselines": [
            _baseline_row(baseline, differences[baseline.name], truth, dataset, penalty_weight) for baseline in compared
        ],
        "verdict": reach_verdict(drawn, differences),
        "reason": explain(
            drawn,
            differences,
            constant=_best_constant(truth, dataset),
            best_model=models[0].name if models else None,
            signal=signal,
            too_few=note_on_rare(measured["too_rare"], len(truth)) if measured["too_rare"] else None,
        ),
        "signal": asdict(signal),
    }


def _baseline_row(
    baseline: Baseline, difference: Interval, truth: Indicator, dataset: Dataset, penalty_weight: float
) -> dict[str, Any]:
    measures = measure(baseline.test, truth, dataset.task, penalty_weight=penalty_weight, is_detailed=False)
    return {
        "name": baseline.name,
        "kind": baseline.kind,
        "macro_f1": measures.macro_f1,
        "score": measures.score,
        "champion_ahead": difference.value,
        "champion_ahead_ci": [difference.low, difference.high],
    }


def _best_constant(truth: Indicator, dataset: Dataset) -> str:
    """Say what the best constant rule answers."""
    if dataset.task == "multilabel":
        return "every label on every row"
    return f"{dataset.labels[int(truth.sum(axis=0).argmax())]!r} on every row"
