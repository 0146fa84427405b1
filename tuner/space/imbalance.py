"""The hyperparameters against imbalance: loss, loss weights and resampling. See `tuner.space.parameters`."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.space.options import Option, Options, Parameter, integer, positive, ratio, real, share
from tuner.space.task import Task

_ONE_LABEL: tuple[Task, ...] = ("binary", "multiclass")
_SEVERAL_LABELS: tuple[Task, ...] = ("multilabel",)
_NEIGHBOURS = integer(5, 1, 100, "How many nearest rows of the same class to mix with.")
_VOTERS = integer(3, 1, 100, "How many nearest rows to look at.")
_RAISED = ratio("Raise each class to at least this share of the largest one.")
_MIXING = {"ratio": _RAISED, "neighbours": _NEIGHBOURS}


def _for_one_label(builder: str, summary: str, *, needs_vectors: bool = False, **parameters: Parameter) -> Option:
    return Option(
        builder=builder,
        summary=summary,
        parameters=parameters,
        needs_vectors=needs_vectors,
        tasks=_ONE_LABEL,
        reason="needs one label per row",
        instead="use oversample, undersample, balanced_batches, label_set_oversample, label_set_undersample, ml_ros, ml_rus "
        "or mlsmote",
    )


def _for_several_labels(builder: str, summary: str, *, needs_vectors: bool = False, **parameters: Parameter) -> Option:
    return Option(
        builder=builder,
        summary=summary,
        parameters=parameters,
        needs_vectors=needs_vectors,
        tasks=_SEVERAL_LABELS,
        reason="is for rows with several labels",
        instead="use oversample, undersample or smote",
    )


_LOSS = Options(
    summary="The loss that training minimises. It is always computed on logits.",
    default="cross_entropy",
    options={
        "cross_entropy": Option(
            builder="tuner.imbalance.loss:cross_entropy",
            summary="Cross-entropy. With several labels per row: binary cross-entropy for each label.",
            parameters={"label_smoothing": share(0.0, "How far to move the targets towards even odds.")},
        ),
        "focal": Option(
            builder="tuner.imbalance.loss:focal",
            summary="Cross-entropy that gives less weight to rows the model already gets right.",
            parameters={"gamma": real(2.0, "How fast the weight of easy rows falls. 0: plain cross-entropy.", high=10)},
        ),
        "asymmetric": Option(
            builder="tuner.imbalance.loss:asymmetric",
            summary="Focal loss with separate settings for present and absent labels.",
            parameters={
                "gamma_positive": real(0.0, "gamma for present labels.", high=10),
                "gamma_negative": real(4.0, "gamma for absent labels.", high=10),
                "margin": share(0.05, "Ignore an absent label whose probability is below this."),
            },
            tasks=_SEVERAL_LABELS,
            reason="is for rows with several labels",
            instead="use focal",
        ),
    },
)

_LOSS_WEIGHTS = Options(
    summary="How much more a rare label counts in the loss.",
    default="none",
    options={
        "none": Option(builder="tuner.imbalance.weights:no_weights", summary="All labels count the same."),
        "balanced": Option(
            builder="tuner.imbalance.weights:balanced_weights", summary="Proportional to 1 / frequency of the label."
        ),
        "root": Option(
            builder="tuner.imbalance.weights:root_weights",
            summary="Proportional to the square root of 1 / frequency of the label.",
        ),
        "effective_number": Option(
            builder="tuner.imbalance.weights:effective_number_weights",
            summary="Proportional to 1 / effective number of the label's rows.",
            parameters={"beta": share(0.999, "The closer to 1, the closer to balanced.", low_open=True)},
        ),
        "explicit": Option(
            builder="tuner.imbalance.weights:explicit_weights",
            summary="One weight per label, under the label's name. Labels without one have weight 1.",
            each=positive(1.0, "The label's weight.", high=1e6),
        ),
    },
)

_RESAMPLING = Options(
    summary="Which training rows an epoch reads, and how often.",
    default="none",
    options={
        "none": Option(builder="tuner.imbalance.resample:every_row", summary="Every row once."),
        "oversample": Option(
            builder="tuner.imbalance.resample:oversample",
            summary="Repeat rows of rare classes.",
            parameters={"ratio": _RAISED},
        ),
        "undersample": Option(
            builder="tuner.imbalance.resample:undersample",
            summary="Drop rows of frequent classes.",
            parameters={"ratio": ratio("Cut each class to at most the size of the smallest one divided by this.")},
        ),
        "balanced_batches": Option(
            builder="tuner.imbalance.resample:balanced_batches",
            summary="Give every batch the same number of rows of each class.",
        ),
        "fixed_number": _for_one_label(
            "tuner.imbalance.resample:fixed_number",
            "Give every class the same number of rows, drawn again for each pass.",
            rows=integer(500, 1, 100_000_000, "Rows of each class in a pass."),
        ),
        "near_miss": _for_one_label(
            "tuner.imbalance.cleaning:near_miss",
            "Cut frequent classes to the size of the rarest, keeping the rows nearest to rare ones (NearMiss).",
            needs_vectors=True,
            version=integer(1, 1, 3, "Which of the three NearMiss rules."),
            neighbours=_VOTERS,
        ),
        "tomek_links": _for_one_label(
            "tuner.imbalance.cleaning:tomek_links",
            "Drop majority rows that form a Tomek link: two mutual nearest neighbours of different classes.",
            needs_vectors=True,
        ),
        "edited_nearest_neighbours": _for_one_label(
            "tuner.imbalance.cleaning:edited_nearest_neighbours",
            "Drop majority rows whose nearest neighbours mostly have another class.",
            needs_vectors=True,
            neighbours=_VOTERS,
        ),
        "smote": _for_one_label(
            "tuner.imbalance.interpolation:smote",
            "Add rows to rare classes, each mixed from two rows of the class (SMOTE).",
            needs_vectors=True,
            **_MIXING,
        ),
        "borderline_smote": _for_one_label(
            "tuner.imbalance.interpolation:borderline_smote",
            "SMOTE that starts only from rows close to another class.",
            needs_vectors=True,
            **_MIXING,
        ),
        "adasyn": _for_one_label(
            "tuner.imbalance.interpolation:adasyn",
            "SMOTE that adds more rows where another class is close.",
            needs_vectors=True,
            **_MIXING,
        ),
        "smote_enn": _for_one_label(
            "tuner.imbalance.interpolation:smote_enn",
            "SMOTE, then edited nearest neighbours.",
            needs_vectors=True,
            **_MIXING,
        ),
        "smote_tomek": _for_one_label(
            "tuner.imbalance.interpolation:smote_tomek",
            "SMOTE, then Tomek links.",
            needs_vectors=True,
            **_MIXING,
        ),
        "label_set_oversample": _for_several_labels(
            "tuner.imbalance.label_sets:label_set_oversample",
            "Treat each set of labels as a class and repeat rows of rare classes, up to four times the rows in all.",
            ratio=_RAISED,
        ),
        "label_set_undersample": _for_several_labels(
            "tuner.imbalance.label_sets:label_set_undersample",
            "Treat each set of labels as a class and drop rows of frequent classes.",
            share=share(0.25, "Share of the rows to drop.", low_open=True),
        ),
        "ml_ros": _for_several_labels(
            "tuner.imbalance.rare_labels:ml_ros",
            "Repeat rows that have labels rarer than the mean (ML-ROS).",
            share=positive(0.25, "Rows to add, as a share of all rows.", high=10),
        ),
        "ml_rus": _for_several_labels(
            "tuner.imbalance.rare_labels:ml_rus",
            "Drop rows that have no label rarer than the mean (ML-RUS).",
            share=share(0.25, "Share of the rows to drop.", low_open=True),
        ),
        "mlsmote": _for_several_labels(
            "tuner.imbalance.rare_labels:mlsmote",
            "Add rows to labels rarer than the mean, each mixed from two rows with the label (MLSMOTE).",
            needs_vectors=True,
            share=positive(0.25, "Rows to add, as a share of all rows.", high=10),
            neighbours=_NEIGHBOURS,
        ),
    },
)

IMBALANCE: Mapping[str, Parameter] = {
    "loss": _LOSS,
    "soft_f1": share(0.0, "Share of the loss that is 1 - macro-F1, computed from the probabilities."),
    "logit_adjustment": real(
        0.0, "How strongly to shift logits in training by the log of each label's frequency.", high=10
    ),
    "loss_weights": _LOSS_WEIGHTS,
    "resampling": _RESAMPLING,
    "mixup": real(
        0.0, "Mix pairs of rows and their labels, with a share drawn from Beta(mixup, mixup). 0: never.", high=10
    ),
}
