"""The hyperparameters against imbalance: loss, weights and resampling. See `tuner.space.parameters`."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.space.options import Option, Options, Parameter, integer, positive, ratio, real, share
from tuner.space.settings import Task

_ONE_LABEL: tuple[Task, ...] = ("binary", "multiclass")
_SEVERAL_LABELS: tuple[Task, ...] = ("multilabel",)
_NEIGHBOURS = integer(5, 1, 100, "Nearest rows of the same class that are mixed with.")
_CLEANING_NEIGHBOURS = integer(3, 1, 100, "Nearest rows that are asked.")
_RAISED = ratio("Each class is raised to at least this share of the largest one.")
_RAISED_BY_MIXING = {"ratio": _RAISED, "neighbours": _NEIGHBOURS}


def _for_one_label(summary: str, **parameters: Parameter) -> Option:
    return Option(
        summary=summary,
        parameters=parameters,
        tasks=_ONE_LABEL,
        reason="balances one target a row",
        instead="use oversample, undersample, balanced_batches, label_set_oversample, label_set_undersample, ml_ros, ml_rus "
        "or mlsmote",
    )


def _for_several_labels(summary: str, **parameters: Parameter) -> Option:
    return Option(
        summary=summary,
        parameters=parameters,
        tasks=_SEVERAL_LABELS,
        reason="is for rows with several labels",
        instead="use oversample, undersample or smote",
    )


IMBALANCE: Mapping[str, Parameter] = {
    "loss": Options(
        summary="What training makes small; always on logits.",
        default="cross_entropy",
        options={
            "cross_entropy": Option(
                summary="Cross-entropy, with several labels a binary one for each.",
                parameters={"label_smoothing": share(0.0, "How far the truth is moved towards even odds.")},
            ),
            "focal": Option(
                summary="Cross-entropy that counts rows the less, the surer they are right already.",
                parameters={"gamma": real(2.0, "How much less.", high=10)},
            ),
            "asymmetric": Option(
                summary="Focal, and more so where a label is absent.",
                parameters={
                    "gamma_positive": real(0.0, "How much less where the label is present.", high=10),
                    "gamma_negative": real(4.0, "How much less where it is absent.", high=10),
                    "margin": share(0.05, "Probability below which an absent label counts nothing."),
                },
                tasks=_SEVERAL_LABELS,
                reason="is for rows with several labels",
                instead="use focal",
            ),
        },
    ),
    "soft_f1": share(0.0, "Share of the loss that is one less the macro-F1 of the probabilities."),
    "logit_adjustment": real(
        0.0, "How far logits are moved in training by the logarithm of how frequent a label is.", high=10
    ),
    "loss_weights": Options(
        summary="How much more a rare label counts in the loss.",
        default="none",
        options={
            "none": Option(summary="All count the same."),
            "balanced": Option(summary="In proportion to one over its frequency."),
            "root": Option(summary="In proportion to the square root of one over its frequency."),
            "effective_number": Option(
                summary="In proportion to one over the effective number of its rows.",
                parameters={"beta": share(0.999, "The nearer to 1, the more like balanced.", low_open=True)},
            ),
            "explicit": Option(
                summary="As the space says, for each label under its name; a label that is not named has 1.",
                each=positive(1.0, "The label's weight.", high=1e6),
            ),
        },
    ),
    "resampling": Options(
        summary="Which training rows an epoch has.",
        default="none",
        options={
            "none": Option(summary="The rows as they are."),
            "oversample": Option(summary="Rows of rarer classes are repeated.", parameters={"ratio": _RAISED}),
            "undersample": Option(
                summary="Rows of more frequent classes are left out.",
                parameters={"ratio": ratio("Each class is cut to at most the smallest one divided by this.")},
            ),
            "balanced_batches": Option(summary="Every batch has the classes in equal parts."),
            "fixed_number": _for_one_label(
                "Every class has the same number of rows, drawn anew for each pass.",
                rows=integer(500, 1, 100_000_000, "Rows of each class in a pass."),
            ),
            "near_miss": _for_one_label(
                "Of frequent classes, the rows nearest to rarer ones are kept, as many as the rarest class has.",
                version=integer(1, 1, 3, "Which of the three NearMiss rules."),
                neighbours=_CLEANING_NEIGHBOURS,
            ),
            "tomek_links": _for_one_label(
                "Rows of frequent classes whose nearest row is of another class, and they its, are left out."
            ),
            "edited_nearest_neighbours": _for_one_label(
                "Rows of frequent classes that their nearest rows would vote out are left out.",
                neighbours=_CLEANING_NEIGHBOURS,
            ),
            "smote": _for_one_label("Rarer classes gain rows between two of their own.", **_RAISED_BY_MIXING),
            "borderline_smote": _for_one_label("The same, from rows near another class only.", **_RAISED_BY_MIXING),
            "adasyn": _for_one_label("The same, the more the nearer another class is.", **_RAISED_BY_MIXING),
            "smote_enn": _for_one_label("SMOTE, then edited nearest neighbours.", **_RAISED_BY_MIXING),
            "smote_tomek": _for_one_label("SMOTE, then Tomek links.", **_RAISED_BY_MIXING),
            "label_set_oversample": _for_several_labels(
                "Rows with rarer sets of labels are repeated, each set taken as a class, to at most four times the rows.",
                ratio=_RAISED,
            ),
            "label_set_undersample": _for_several_labels(
                "Rows with more frequent sets of labels are left out, each set taken as a class.",
                share=share(0.25, "Share of the rows that is left out.", low_open=True),
            ),
            "ml_ros": _for_several_labels(
                "Rows with labels rarer than the mean are repeated (ML-ROS).",
                share=positive(0.25, "Rows that are added, as a share of all.", high=10),
            ),
            "ml_rus": _for_several_labels(
                "Rows without labels rarer than the mean are left out (ML-RUS).",
                share=share(0.25, "Share of the rows that is left out.", low_open=True),
            ),
            "mlsmote": _for_several_labels(
                "Labels rarer than the mean gain rows between two of their own (MLSMOTE).",
                share=positive(0.25, "Rows that are added, as a share of all.", high=10),
                neighbours=_NEIGHBOURS,
            ),
        },
    ),
    "mixup": real(0.0, "Rows and labels are mixed in pairs by shares from Beta(this, this); 0: never.", high=10),
}
