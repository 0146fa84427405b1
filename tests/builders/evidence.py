"""Facts about a healthy training, its labels and its decisions, and evidence of each cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tuner.diagnosis.facts.evidence import DataFacts, DecisionFacts, Evidence, LabelFacts, Reference, TrainingFacts
from tuner.scoring.signal import Signal

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

POOR = {"macro_f1": 0.3, "skill": 0.0, "skill_low": -0.02, "skill_high": 0.02, "auc": 0.52}
WEAK = replace(HEALTHY, decisions=decisions(**POOR), training=training(skill=0.0, auc=0.52, last_loss=0.49))


def weak_with(*, configuration: dict[str, Any] | None = None, **known: Any) -> Evidence:
    facts = {"skill": 0.0, "auc": 0.52, "last_loss": 0.49} | known
    return replace(WEAK, training=training(**facts), configuration=CONFIGURATION | (configuration or {}))


def of_data(**known: Any) -> Evidence:
    assert HEALTHY.data is not None
    return replace(HEALTHY, data=replace(HEALTHY.data, **known))


NEVER = {"decision_rate": 0.0, "f1": 0.0, "lowest_decided": None}
NONE_FOUND = Signal(answer="none found", sentence="no model that was tried does", advice="look at the labels")
TOO_FEW = Signal(answer="too few rows", sentence="too few rows", advice="use folds")
MADE: dict[str, Evidence] = {
    "no_signal": replace(WEAK, signal=NONE_FOUND),
    "texts_without_spaces": replace(WEAK, data=DataFacts(unspaced_share=0.98, characters=29)),
    "unshared_words": replace(WEAK, data=DataFacts(seen_share=0.08)),
    "conflicting_duplicates": of_data(conflict_share=0.4),
    "empty_rows": of_data(empty_share=0.5),
    "unknown_words": of_data(unknown_share=0.7),
    "truncation": of_data(read_share=0.1, truncated_share=1.0),
    "learning_rate_too_high": weak_with(configuration={"learning_rate": 0.5}, last_loss=0.6),
    "learning_rate_too_low": weak_with(configuration={"learning_rate": 1e-6}),
    "too_short": weak_with(steps=20, epochs=0.2, measurements=1, late_rise=None, score_noise=None),
    "too_much_regularisation": weak_with(configuration={"dropout": 0.97}),
    "exploding_gradients": weak_with(configuration={"clipping": "none"}, gradient_norm_most=1e5),
    "vanishing_gradients": weak_with(gradient_ratio=1e-5),
    "saturated_gates": weak_with(gate_saturation=0.9),
    "dead_units": weak_with(dead_units=0.9),
    "threshold": Evidence(
        subject="a file",
        task="multilabel",
        decisions=decisions(
            label("a", **NEVER, highest_undecided=0.97),
            label("b", **NEVER, highest_undecided=0.95),
            constant_penalty=1.0,
            macro_f1=0.0,
        ),
    ),
    "imbalance": replace(
        HEALTHY,
        decisions=decisions(
            label("a", train_rows=500),
            label("b", **NEVER, train_rows=5, prevalence=0.01, mean_probability=0.01, support=9),
        ),
    ),
    "constant_decision": Evidence(
        subject="a file",
        task="multilabel",
        decisions=decisions(
            label("a", decision_rate=1.0, mean_probability=0.97, lowest_decided=0.6, highest_undecided=None),
            label("b", decision_rate=1.0, mean_probability=0.97, lowest_decided=0.6, highest_undecided=None),
            constant_penalty=1.0,
        ),
    ),
    "flat_probabilities": Evidence(
        subject="a file", task="multilabel", decisions=decisions(**(POOR | {"logit_spread": 0.01}))
    ),
}
