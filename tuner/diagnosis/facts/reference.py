"""A plain model on the same rows, which shows whether there is anything to learn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.data.dataset import Dataset
from tuner.diagnosis.facts.evidence import Reference
from tuner.scoring.evaluation import evaluate


def reference(baselines: Sequence[Mapping[str, Any]]) -> Reference | None:
    """Return the best baseline that is a model, from rows of baselines.json; None if there is none.

    A row of kind "control" was trained on shuffled labels.
    """
    models = [row for row in baselines if row["kind"] == "model"]
    if not models:
        return None
    best = max(models, key=lambda row: float(row["validation"]["skill"]))
    controls = [float(row["validation"]["skill"]) for row in baselines if row["kind"] == "control"]
    return Reference(
        name=best["name"],
        skill=float(best["validation"]["skill"]),
        margin=skill_margin(best["validation"]["labels"]),
        control_skill=max(controls, default=None),
    )


def measure_baselines(dataset: Dataset) -> list[dict[str, Any]]:
    """Run the baselines on a data set and return rows as in baselines.json, measured on its validation rows."""
    from tuner.baselines.run import run_baselines  # imports scikit-learn

    truth = dataset.truth("validation")
    return [
        {
            "name": baseline.name,
            "kind": baseline.kind,
            "seen_share": baseline.seen_share,
            "validation": evaluate(
                baseline.validation,
                baseline.on_validation.probabilities,
                truth,
                task=dataset.task,
                labels=dataset.labels,
                seen=dataset.seen,
                penalty_weight=1.0,
                blocks=dataset.validation.blocks,
                seed=0,
            ),
        }
        for baseline in run_baselines(dataset, seed=0)
    ]


def skill_margin(labels: Sequence[Mapping[str, Any]]) -> float:
    """Return about two standard errors of a macro-F1, from each label's `f1` and `support`.

    Treats an F1 over n true rows as a proportion over n rows. That is close enough to tell noise from skill, and needs no
    predictions. Without labels it returns 0.02, the value for a few hundred rows per label.
    """
    if not labels:
        return 0.02
    present = [row for row in labels if row["support"]]
    variance = sum(row["f1"] * (1 - row["f1"]) / row["support"] for row in present)
    return 2 * math.sqrt(variance) / max(len(present), 1)
