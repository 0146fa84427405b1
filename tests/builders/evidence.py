"""Facts about a healthy training, its labels and its decisions."""

from __future__ import annotations

from typing import Any

from tuner.diagnosis.facts.evidence import DataFacts, DecisionFacts, Evidence, LabelFacts, Reference, TrainingFacts

CONFIGURATION = {
    "hidden": 64,
    "layers": 1,
    "max_length": 64,
    "tokens": "word",
    "embedding": "random",
    "embedding.random.size": 100,
    "dropout": 0.3,
    "optimiser": "adamw",
    "optimiser.adamw.weight_decay": 0.01,
    "learning_rate": 0.002,
    "clipping": "norm",
    "clipping.norm.threshold": 1.0,
    "l1": 0.0,
}


def label(name: str, **known: Any) -> LabelFacts:
    healthy: dict[str, Any] = {
        "support": 200,
        "prevalence": 0.2,
        "decision_rate": 0.2,
        "f1": 0.7,
        "auc": 0.9,
        "fitted_f1": 0.7,
        "mean_probability": 0.2,
        "highest_undecided": 0.5,
        "lowest_decided": 0.5,
    }
    return LabelFacts(name=name, **(healthy | known))


def decisions(*labels: LabelFacts, **known: Any) -> DecisionFacts:
    healthy: dict[str, Any] = {
        "rows": 1000,
        "macro_f1": 0.7,
        "constant_penalty": 0.0,
        "skill": 0.4,
        "skill_low": 0.35,
        "skill_high": 0.45,
        "fitted_macro_f1": 0.7,
        "auc": 0.9,
        "auc_margin": 0.03,
        "logit_spread": 2.0,
        "probability_spread": 0.3,
    }
    return DecisionFacts(labels=labels or (label("a"), label("b")), **(healthy | known))


def training(**known: Any) -> TrainingFacts:
    healthy: dict[str, Any] = {
        "ending": "completed",
        "measurements": 9,
        "steps": 1000,
        "epochs": 6.0,
        "examples": 64_000,
        "parameters": 100_000,
        "score": 0.7,
        "best_score": 0.7,
        "skill": 0.4,
        "constant_penalty": 0.0,
        "auc": 0.9,
        "late_rise": 0.001,
        "score_noise": 0.005,
        "first_loss": 0.5,
        "least_loss": 0.1,
        "last_loss": 0.1,
        "train_score": 0.9,
        "gradient_norm": 0.4,
        "gradient_norm_most": 4.0,
        "tiny_gradient_share": 0.0,
        "gradient_ratio": 0.5,
        "clip_rate": 0.1,
        "loss_spread": 0.2,
        "gate_saturation": 0.01,
        "dead_units": 0.0,
        "logit_spread": 2.0,
        "probability_spread": 0.3,
        "diverged_at_step": None,
    }
    return TrainingFacts(**(healthy | known))


HEALTHY = Evidence(
    subject="a trial",
    task="multilabel",
    decisions=decisions(),
    training=training(),
    configuration=CONFIGURATION,
    max_epochs=6.0,
    data=DataFacts(
        train_rows=1000,
        unknown_share=0.1,
        truncated_share=0.02,
        read_share=1.0,
        empty_share=0.0,
        conflict_share=0.0,
    ),
    reference=Reference(name="a plain model", skill=0.35, margin=0.03),
)
