"""A validation measurement as a worker would send it."""

from __future__ import annotations

from typing import Any

from tuner.trial.measurement import Measurement

ROWS, MAX_EPOCHS = 100, 4


def make_measurement(score: float, *, epochs: float = 1, seconds: float = 1.0, **more: Any) -> Measurement:
    fields: dict[str, Any] = {
        "examples": round(epochs * ROWS),
        "epochs": epochs,
        "score": score,
        "score_spread": float("nan"),
        "macro_f1": score,
        "constant_penalty": 0.0,
        "skill": 0.1,
        "auc": 0.8,
        "average_precision": 0.5,
        "logit_spread": 1.0,
        "train_loss": 0.3,
        "gradient_norm": 1.0,
        "steps": 5,
        "train_seconds": 0.75 * seconds,
        "evaluate_seconds": 0.25 * seconds,
        "diverged_at_step": None,
        "is_last": epochs >= MAX_EPOCHS,
        "parameters": 100,
        "precision": "float32",
        "vocabulary_found": float("nan"),
    }
    return Measurement(**(fields | more))
