"""Every hyperparameter: its bounds, its default and what it means.

What an option *does* stands in the registries of `tuner.data`, `tuner.model`, `tuner.training` and `tuner.imbalance`
under the same name. Some parameters are for texts, some for numeric sequences, most for both.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuner.space.options import Need, Number, Option, Options, Parameter, Switch, Text
from tuner.space.settings import Inputs, Task


def _integer(default: int, low: int, high: int, summary: str, *, is_listed: bool = False) -> Number:
    return Number(summary=summary, kind="int", default=default, low=low, high=high, is_listed=is_listed)


def _real(default: float, summary: str, *, high: float | None = None) -> Number:
    """At least zero."""
    return Number(summary=summary, kind="float", default=default, low=0, high=high)


def _positive(default: float, summary: str, *, high: float | None = None) -> Number:
    return Number(summary=summary, kind="float", default=default, low=0, low_open=True, high=high)


def _share(default: float, summary: str, *, low_open: bool = False, need: Need | None = None) -> Number:
    """At least zero, or above it, and below one."""
    return Number(
        summary=summary, kind="float", default=default, low=0, low_open=low_open, high=1, high_open=True, need=need
    )


def _ratio(summary: str) -> Number:
    return Number(summary=summary, kind="float", default=1.0, low=0, high=1, low_open=True)


_LOWER_CASE: Mapping[str, Parameter] = {"lower_case": Switch(summary="Whether case is ignored.", default=True)}
_SUBWORDS: Mapping[str, Parameter] = {
    **_LOWER_CASE,
    "size": _integer(8000, 100, 200_000, "Pieces in the vocabulary.", is_listed=True),
}
_IS_TUNED = Switch(summary="Whether training goes on to change them.", default=True)

_TEXT: Mapping[str, Parameter] = {
    "tokens": Options(
        summary="How a text is cut into tokens.",
        default="word",
        options={
            "word": Option(
                summary="Words and punctuation marks.",
                parameters={
                    **_LOWER_CASE,
                    "punctuation": Switch(summary="Whether punctuation marks are tokens.", default=True),
                    "stop_words": Switch(summary="Whether the commonest English words are kept.", default=True),
                    "forms": Options(
                        summary="Whether the forms of one word are told apart.",
                        default="as_written",
                        options={
                            "as_written": Option(summary="They are."),
                            "stem": Option(summary="Words are cut to their stem, by English Snowball rules."),
                            "lemma": Option(summary="Words are brought to their dictionary form, in English."),
                        },
                    ),
                    "vocabulary": _integer(20_000, 100, 1_000_000, "The most frequent words that are kept."),
                    "min_count": _integer(2, 1, 1000, "Occurrences in the training rows that a word needs to be kept."),
                },
            ),
            "character": Option(summary="Single characters.", parameters=_LOWER_CASE),
            "bpe": Option(summary="Pieces of words, by byte-pair encoding.", parameters=_SUBWORDS),
            "wordpiece": Option(summary="Pieces of words, by WordPiece.", parameters=_SUBWORDS),
        },
    ),
    "max_length": _integer(64, 1, 10_000, "Tokens of a text that are read; the rest is cut off."),
    "embedding": Options(
        summary="Where the vectors of tokens come from.",
        default="random",
        options={
            "random": Option(
                summary="Drawn at random, then trained.",
                parameters={
                    "size": _integer(128, 1, 4096, "Numbers that stand for one token."),
                    "scale": _positive(0.1, "Standard deviation of the first values; PyTorch's own is 1.", high=10),
                },
            ),
            "file": Option(
                summary="Read from a GloVe, word2vec or fastText file.",
                parameters={"path": Text(summary="The file."), "is_tuned": _IS_TUNED},
            ),
            "word2vec": Option(
                summary="Trained on the training texts first, by skip-gram.",
                parameters={
                    "size": _integer(128, 1, 4096, "Numbers that stand for one token.", is_listed=True),
                    "is_tuned": _IS_TUNED,
                },
            ),
        },
    ),
    "embedding_dropout": _share(0.0, "Share of the embedding that is zeroed in training."),
    "token_dropout": _share(0.0, "Share of a training row's tokens that become the unknown token."),
    "token_swap": _share(0.0, "Share of a training row's tokens that change places with the next one."),
    "token_replacement": _share(
        0.0, "Share of a training row's tokens that become some other token of the vocabulary."
    ),
}

_SEQUENCE: Mapping[str, Parameter] = {
    "max_length": _integer(1000, 1, 100_000, "Steps of a sequence that are read; the rest is cut off."),
    "noise": _real(0.0, "Standard deviation of noise that training adds, in those of the channel.", high=10),
    "scaling": _real(
        0.0, "Standard deviation of the factor around 1 by which training scales a row's channels.", high=10
    ),
    "smoothing": _share(0.0, "Share of training rows that are smoothed by a mean over three steps."),
    "time_masking": _share(0.0, "Largest share of a row's steps that training blanks out, all in one stretch."),
}

_ARCHITECTURE: Mapping[str, Parameter] = {
    "truncation": Options(
        summary="Which end of a row that is too long is cut off.",
        default="end",
        options={"end": Option(summary="The end."), "start": Option(summary="The beginning.")},
    ),
    "cell": Options(
        summary="The recurrent cell.",
        default="lstm",
        options={
            "lstm": Option(
                summary="Long short-term memory.",
                parameters={"forget_bias": _real(0.0, "What is added to the forget gate's first bias.", high=10)},
            ),
            "gru": Option(summary="Gated recurrent unit."),
        },
    ),
    "hidden": _integer(128, 1, 4096, "Units in each layer and direction."),
    "layers": _integer(1, 1, 8, "Recurrent layers."),
    "directions": _integer(2, 1, 2, "1: rows are read forwards; 2: also backwards."),
    "initialisation": Options(
        summary="How the recurrent layers' first weights are drawn.",
        default="pytorch",
        options={
            "pytorch": Option(summary="Uniformly, as PyTorch does."),
            "xavier_orthogonal": Option(summary="Xavier from inputs, orthogonal between steps, biases zero."),
        },
    ),
    "pooling": Options(
        summary="How the outputs over a row become one vector; padding is never read.",
        default="max",
        options={
            "last": Option(summary="The last real step of each direction."),
            "mean": Option(summary="The mean over the real steps."),
            "max": Option(summary="The largest over the real steps, unit by unit."),
            "concatenation": Option(summary="Last, mean and max side by side."),
            "attention": Option(summary="A learned weighted mean over the real steps."),
            "self_attention": Option(
                summary="Every step attends to every other, then the mean over the real steps.",
                parameters={"heads": _integer(4, 1, 64, "Ways of attending, side by side.")},
            ),
        },
    ),
    "layer_norm": Switch(summary="Whether each layer's outputs are normalised, step by step.", default=False),
    "layer_dropout": _share(
        0.3, "Share of units that is zeroed in training between layers.", need=Need(name="layers", least=2)
    ),
    "variational_dropout": Switch(
        summary="Whether dropout on the embedding and between layers zeroes the same units at every step of a row.",
        default=False,
    ),
    "weight_dropout": _share(0.0, "Share of the weights between steps that is zeroed in training."),
    "dropout": _share(0.3, "Share of units that is zeroed in training before the head."),
}

_WEIGHT_DECAY = {"weight_decay": _real(0.0, "Decay of the weights, as a penalty on their squares.", high=10)}

_OPTIMISATION: Mapping[str, Parameter] = {
    "optimiser": Options(
        summary="The optimisation rule.",
        default="adamw",
        options={
            "adam": Option(summary="Adam.", parameters=_WEIGHT_DECAY),
            "adamw": Option(
                summary="Adam with decoupled weight decay.",
                parameters={"weight_decay": _real(0.01, "Decay of the weights.")},
            ),
            "nadam": Option(summary="Adam with Nesterov momentum.", parameters=_WEIGHT_DECAY),
            "rmsprop": Option(
                summary="RMSprop.",
                parameters={"momentum": _share(0.0, "Share of the last step that is taken again."), **_WEIGHT_DECAY},
            ),
            "sgd": Option(
                summary="Stochastic gradient descent.",
                parameters={"momentum": _share(0.9, "Share of the last step that is taken again."), **_WEIGHT_DECAY},
            ),
        },
    ),
    "learning_rate": _positive(0.002, "The largest learning rate of the schedule.", high=10),
    "schedule": Options(
        summary="How the learning rate moves over the budget of a trial.",
        default="constant",
        options={
            "constant": Option(summary="It stays."),
            "warm_up": Option(
                summary="It rises from zero in a straight line, then stays.",
                parameters={"share": _share(0.1, "Share of the budget in which it rises.", low_open=True)},
            ),
            "linear": Option(
                summary="It rises in a straight line, then falls in one to zero.",
                parameters={"warm_up": _share(0.1, "Share of the budget in which it rises from zero first.")},
            ),
            "step": Option(
                summary="It falls in steps.",
                parameters={
                    "every": _share(0.25, "Share of the budget between two steps.", low_open=True),
                    "factor": _share(0.5, "What each step multiplies it with.", low_open=True),
                },
            ),
            "cosine": Option(
                summary="It falls to zero along a cosine.",
                parameters={"warm_up": _share(0.0, "Share of the budget in which it rises from zero first.")},
            ),
            "one_cycle": Option(
                summary="It rises, then falls far below where it began.",
                parameters={"warm_up": _share(0.3, "Share of the budget in which it rises.", low_open=True)},
            ),
            "plateau": Option(
                summary="It falls by a factor whenever the score has not risen for some reports.",
                parameters={
                    "patience": _integer(2, 1, 1000, "Reports without a better score."),
                    "factor": _share(0.5, "What it is multiplied with.", low_open=True),
                },
            ),
        },
    ),
    "clipping": Options(
        summary="What is done about large gradients.",
        default="norm",
        options={
            "none": Option(summary="Nothing."),
            "norm": Option(
                summary="The gradient is scaled down to a largest norm.",
                parameters={"threshold": _positive(1.0, "The largest norm.")},
            ),
            "value": Option(
                summary="Each number of the gradient is cut to a largest size.",
                parameters={"threshold": _positive(0.5, "The largest size.")},
            ),
            "quantile": Option(
                summary="The gradient is scaled down to a quantile of the norms of past steps.",
                parameters={
                    "quantile": _share(0.5, "The quantile.", low_open=True),
                    "history": _integer(100, 2, 100_000, "Past steps that are looked at."),
                },
            ),
        },
    ),
    "batch_size": _integer(64, 1, 65_536, "Rows in one batch."),
    "accumulation": _integer(1, 1, 1024, "Batches whose gradients make up one training step."),
    "l1": _real(0.0, "Penalty on the sizes of the weights.", high=10),
    "averaging": Options(
        summary="Whether the model that is judged is a mean of the weights along the way.",
        default="none",
        options={
            "none": Option(summary="No: the weights as they are."),
            "ema": Option(
                summary="Exponential moving average.",
                parameters={"decay": _share(0.998, "What a step keeps of the average so far.")},
            ),
            "swa": Option(
                summary="The plain mean of all steps from some point on.",
                parameters={"start": _share(0.5, "Share of the budget after which it begins.")},
            ),
        },
    ),
    "precision": Options(
        summary="The numbers that the network computes with.",
        default="auto",
        options={
            "auto": Option(summary="bfloat16 where the device is faster with it, else float32."),
            "float32": Option(summary="32-bit floating point."),
            "bfloat16": Option(summary="16-bit brain floating point, for the parts that bear it."),
        },
    ),
}

_ONE_LABEL: tuple[Task, ...] = ("binary", "multiclass")
_SEVERAL_LABELS: tuple[Task, ...] = ("multilabel",)
_NEIGHBOURS = _integer(5, 1, 100, "Nearest rows of the same class that are mixed with.")
_CLEANING_NEIGHBOURS = _integer(3, 1, 100, "Nearest rows that are asked.")
_RAISED = _ratio("Each class is raised to at least this share of the largest one.")
_RAISED_BY_MIXING = {"ratio": _RAISED, "neighbours": _NEIGHBOURS}


def _for_one_label(summary: str, **parameters: Parameter) -> Option:
    return Option(
        summary=summary,
        parameters=parameters,
        tasks=_ONE_LABEL,
        reason="balances one target a row",
        instead="use oversample, undersample, ml_ros, ml_rus or mlsmote",
    )


def _for_several_labels(summary: str, **parameters: Parameter) -> Option:
    return Option(
        summary=summary,
        parameters=parameters,
        tasks=_SEVERAL_LABELS,
        reason="is for rows with several labels",
        instead="use oversample, undersample or smote",
    )


_IMBALANCE: Mapping[str, Parameter] = {
    "loss": Options(
        summary="What training makes small; always on logits.",
        default="cross_entropy",
        options={
            "cross_entropy": Option(
                summary="Cross-entropy, with several labels a binary one for each.",
                parameters={"label_smoothing": _share(0.0, "How far the truth is moved towards even odds.")},
            ),
            "focal": Option(
                summary="Cross-entropy that counts rows the less, the surer they are right already.",
                parameters={"gamma": _real(2.0, "How much less.", high=10)},
            ),
            "asymmetric": Option(
                summary="Focal, and more so where a label is absent.",
                parameters={
                    "gamma_positive": _real(0.0, "How much less where the label is present.", high=10),
                    "gamma_negative": _real(4.0, "How much less where it is absent.", high=10),
                    "margin": _share(0.05, "Probability below which an absent label counts nothing."),
                },
                tasks=_SEVERAL_LABELS,
                reason="is for rows with several labels",
                instead="use focal",
            ),
        },
    ),
    "soft_f1": _share(0.0, "Share of the loss that is one less the macro-F1 of the probabilities."),
    "logit_adjustment": _real(
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
                parameters={"beta": _share(0.999, "The nearer to 1, the more like balanced.", low_open=True)},
            ),
            "explicit": Option(
                summary="As the space says, for each label under its name; a label that is not named has 1.",
                each=_positive(1.0, "The label's weight.", high=1e6),
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
                parameters={"ratio": _ratio("Each class is cut to at most the smallest one divided by this.")},
            ),
            "balanced_batches": Option(summary="Every batch has the classes in equal parts."),
            "fixed_number": _for_one_label(
                "Every class has the same number of rows, drawn anew for each pass.",
                rows=_integer(500, 1, 100_000_000, "Rows of each class in a pass."),
            ),
            "near_miss": _for_one_label(
                "Of frequent classes, the rows nearest to rarer ones are kept, as many as the rarest class has.",
                version=_integer(1, 1, 3, "Which of the three NearMiss rules."),
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
                "Rows with rarer sets of labels are repeated, each set taken as a class.", ratio=_RAISED
            ),
            "label_set_undersample": _for_several_labels(
                "Rows with more frequent sets of labels are left out, each set taken as a class.",
                share=_share(0.25, "Share of the rows that is left out.", low_open=True),
            ),
            "ml_ros": _for_several_labels(
                "Rows with labels rarer than the mean are repeated (ML-ROS).",
                share=_positive(0.25, "Rows that are added, as a share of all.", high=10),
            ),
            "ml_rus": _for_several_labels(
                "Rows without labels rarer than the mean are left out (ML-RUS).",
                share=_share(0.25, "Share of the rows that is left out.", low_open=True),
            ),
            "mlsmote": _for_several_labels(
                "Labels rarer than the mean gain rows between two of their own (MLSMOTE).",
                share=_positive(0.25, "Rows that are added, as a share of all.", high=10),
                neighbours=_NEIGHBOURS,
            ),
        },
    ),
    "mixup": _real(0.0, "Rows and labels are mixed in pairs by shares from Beta(this, this); 0: never.", high=10),
}

_COMMON = {**_ARCHITECTURE, **_OPTIMISATION, **_IMBALANCE}
PARAMETERS: Mapping[Inputs, Mapping[str, Parameter]] = {
    "text": {**_TEXT, **_COMMON},
    "sequence": {**_SEQUENCE, **_COMMON},
}
