"""Every hyperparameter: its bounds, its default and what it means.

What an option *does* stands in the registries of `tuner.data`, `tuner.model`, `tuner.training` and `tuner.imbalance`
under the same name. Some parameters are for texts, some for numeric sequences, most for both.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuner.space.imbalance import IMBALANCE
from tuner.space.options import (
    Need,
    Option,
    Options,
    Parameter,
    Switch,
    Text,
    integer,
    positive,
    real,
    share,
)
from tuner.space.settings import Inputs

_LOWER_CASE: Mapping[str, Parameter] = {"lower_case": Switch(summary="Whether case is ignored.", default=True)}
_SUBWORDS: Mapping[str, Parameter] = {
    **_LOWER_CASE,
    "size": integer(8000, 100, 200_000, "Pieces in the vocabulary.", is_listed=True),
}
_IS_TUNED = Switch(summary="Whether training goes on to change them.", default=True)

_TEXT: Mapping[str, Parameter] = {
    "tokens": Options(
        summary="How a text is cut into tokens.",
        default="word",
        options={
            "word": Option(
                builder="tuner.data.tokenise:fit_words",
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
                    "vocabulary": integer(20_000, 100, 1_000_000, "The most frequent words that are kept."),
                    "min_count": integer(2, 1, 1000, "Occurrences in the training rows that a word needs to be kept."),
                },
            ),
            "character": Option(
                builder="tuner.data.tokenise:fit_characters", summary="Single characters.", parameters=_LOWER_CASE
            ),
            "bpe": Option(
                builder="tuner.data.subwords:fit_bpe",
                summary="Pieces of words, by byte-pair encoding.",
                parameters=_SUBWORDS,
            ),
            "wordpiece": Option(
                builder="tuner.data.subwords:fit_wordpiece",
                summary="Pieces of words, by WordPiece.",
                parameters=_SUBWORDS,
            ),
        },
    ),
    "max_length": integer(64, 1, 10_000, "Tokens of a text that are read; the rest is cut off."),
    "embedding": Options(
        summary="Where the vectors of tokens come from.",
        default="random",
        options={
            "random": Option(
                summary="Drawn at random, then trained.",
                parameters={
                    "size": integer(128, 1, 4096, "Numbers that stand for one token."),
                    "scale": positive(0.1, "Standard deviation of the first values; PyTorch's own is 1.", high=10),
                },
            ),
            "file": Option(
                summary="Read from a GloVe, word2vec or fastText file.",
                parameters={"path": Text(summary="The file."), "is_tuned": _IS_TUNED},
            ),
            "word2vec": Option(
                summary="Trained on the training texts first, by skip-gram.",
                parameters={
                    "size": integer(128, 1, 4096, "Numbers that stand for one token.", is_listed=True),
                    "is_tuned": _IS_TUNED,
                },
            ),
        },
    ),
    "embedding_dropout": share(0.0, "Share of the embedding that is zeroed in training."),
    "token_dropout": share(0.0, "Share of a training row's tokens that become the unknown token."),
    "token_swap": share(0.0, "Share of a training row's tokens that change places with the next one."),
    "token_replacement": share(0.0, "Share of a training row's tokens that become some other token of the vocabulary."),
}

_SEQUENCE: Mapping[str, Parameter] = {
    "max_length": integer(1000, 1, 100_000, "Steps of a sequence that are read; the rest is cut off."),
    "noise": real(0.0, "Standard deviation of noise that training adds, in those of the channel.", high=10),
    "scaling": real(
        0.0, "Standard deviation of the factor around 1 by which training scales a row's channels.", high=10
    ),
    "smoothing": share(0.0, "Share of training rows that are smoothed by a mean over three steps."),
    "time_masking": share(0.0, "Largest share of a row's steps that training blanks out, all in one stretch."),
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
                builder="tuner.model.recurrent:lstm",
                summary="Long short-term memory.",
                parameters={"forget_bias": real(0.0, "What is added to the forget gate's first bias.", high=10)},
            ),
            "gru": Option(builder="tuner.model.recurrent:gru", summary="Gated recurrent unit."),
        },
    ),
    "hidden": integer(128, 1, 4096, "Units in each layer and direction."),
    "layers": integer(1, 1, 8, "Recurrent layers."),
    "directions": integer(2, 1, 2, "1: rows are read forwards; 2: also backwards."),
    "initialisation": Options(
        summary="How the recurrent layers' first weights are drawn.",
        default="pytorch",
        options={
            "pytorch": Option(builder="tuner.model.initialise:pytorch_default", summary="Uniformly, as PyTorch does."),
            "xavier_orthogonal": Option(
                builder="tuner.model.initialise:xavier_orthogonal",
                summary="Xavier from inputs, orthogonal between steps, biases zero.",
            ),
        },
    ),
    "pooling": Options(
        summary="How the outputs over a row become one vector; padding is never read.",
        default="max",
        options={
            "last": Option(builder="tuner.model.pooling:LastStep", summary="The last real step of each direction."),
            "mean": Option(builder="tuner.model.pooling:Mean", summary="The mean over the real steps."),
            "max": Option(
                builder="tuner.model.pooling:Maximum", summary="The largest over the real steps, unit by unit."
            ),
            "concatenation": Option(
                builder="tuner.model.pooling:Concatenation", summary="Last, mean and max side by side."
            ),
            "attention": Option(
                builder="tuner.model.pooling:Attention", summary="A learned weighted mean over the real steps."
            ),
            "self_attention": Option(
                builder="tuner.model.pooling:SelfAttention",
                summary="Every step attends to every other, then the mean over the real steps.",
                parameters={"heads": integer(4, 1, 64, "Ways of attending, side by side.")},
            ),
        },
    ),
    "layer_norm": Switch(summary="Whether each layer's outputs are normalised, step by step.", default=False),
    "layer_dropout": share(
        0.3, "Share of units that is zeroed in training between layers.", need=Need(name="layers", least=2)
    ),
    "variational_dropout": Switch(
        summary="Whether dropout on the embedding and between layers zeroes the same units at every step of a row.",
        default=False,
    ),
    "weight_dropout": share(0.0, "Share of the weights between steps that is zeroed in training."),
    "dropout": share(0.3, "Share of units that is zeroed in training before the head."),
}

_WEIGHT_DECAY = {"weight_decay": real(0.0, "Decay of the weights, as a penalty on their squares.", high=10)}

_OPTIMISATION: Mapping[str, Parameter] = {
    "optimiser": Options(
        summary="The optimisation rule.",
        default="adamw",
        options={
            "adam": Option(builder="tuner.training.optimisers:adam", summary="Adam.", parameters=_WEIGHT_DECAY),
            "adamw": Option(
                builder="tuner.training.optimisers:adamw",
                summary="Adam with decoupled weight decay.",
                parameters={"weight_decay": real(0.01, "Decay of the weights.")},
            ),
            "nadam": Option(
                builder="tuner.training.optimisers:nadam",
                summary="Adam with Nesterov momentum.",
                parameters=_WEIGHT_DECAY,
            ),
            "rmsprop": Option(
                builder="tuner.training.optimisers:rmsprop",
                summary="RMSprop.",
                parameters={"momentum": share(0.0, "Share of the last step that is taken again."), **_WEIGHT_DECAY},
            ),
            "sgd": Option(
                builder="tuner.training.optimisers:sgd",
                summary="Stochastic gradient descent.",
                parameters={"momentum": share(0.9, "Share of the last step that is taken again."), **_WEIGHT_DECAY},
            ),
        },
    ),
    "learning_rate": positive(0.002, "The largest learning rate of the schedule.", high=10),
    "schedule": Options(
        summary="How the learning rate moves over the budget of a trial.",
        default="constant",
        options={
            "constant": Option(builder="tuner.training.schedules:constant", summary="It stays."),
            "warm_up": Option(
                builder="tuner.training.schedules:warm_up",
                summary="It rises from zero in a straight line, then stays.",
                parameters={"share": share(0.1, "Share of the budget in which it rises.", low_open=True)},
            ),
            "linear": Option(
                builder="tuner.training.schedules:linear",
                summary="It rises in a straight line, then falls in one to zero.",
                parameters={"warm_up": share(0.1, "Share of the budget in which it rises from zero first.")},
            ),
            "step": Option(
                builder="tuner.training.schedules:step",
                summary="It falls in steps.",
                parameters={
                    "every": share(0.25, "Share of the budget between two steps.", low_open=True),
                    "factor": share(0.5, "What each step multiplies it with.", low_open=True),
                },
            ),
            "cosine": Option(
                builder="tuner.training.schedules:cosine",
                summary="It falls to zero along a cosine.",
                parameters={"warm_up": share(0.0, "Share of the budget in which it rises from zero first.")},
            ),
            "one_cycle": Option(
                builder="tuner.training.schedules:one_cycle",
                summary="It rises, then falls far below where it began.",
                parameters={"warm_up": share(0.3, "Share of the budget in which it rises.", low_open=True)},
            ),
            "plateau": Option(
                builder="tuner.training.schedules:plateau",
                summary="It falls by a factor whenever the score has not risen for some reports.",
                parameters={
                    "patience": integer(2, 1, 1000, "Reports without a better score."),
                    "factor": share(0.5, "What it is multiplied with.", low_open=True),
                },
            ),
        },
    ),
    "clipping": Options(
        summary="What is done about large gradients.",
        default="norm",
        options={
            "none": Option(builder="tuner.training.clipping:no_clipping", summary="Nothing."),
            "norm": Option(
                builder="tuner.training.clipping:clip_by_norm",
                summary="The gradient is scaled down to a largest norm.",
                parameters={"threshold": positive(1.0, "The largest norm.")},
            ),
            "value": Option(
                builder="tuner.training.clipping:clip_by_value",
                summary="Each number of the gradient is cut to a largest size.",
                parameters={"threshold": positive(0.5, "The largest size.")},
            ),
            "quantile": Option(
                builder="tuner.training.clipping:clip_by_quantile",
                summary="The gradient is scaled down to a quantile of the norms of past steps.",
                parameters={
                    "quantile": share(0.5, "The quantile.", low_open=True),
                    "history": integer(100, 2, 100_000, "Past steps that are looked at."),
                },
            ),
        },
    ),
    "batch_size": integer(64, 1, 65_536, "Rows in one batch."),
    "accumulation": integer(1, 1, 1024, "Batches whose gradients make up one training step."),
    "l1": real(0.0, "Penalty on the sizes of the weights.", high=10),
    "averaging": Options(
        summary="Whether the model that is judged is a mean of the weights along the way.",
        default="none",
        options={
            "none": Option(builder="tuner.training.averaging:no_averaging", summary="No: the weights as they are."),
            "ema": Option(
                builder="tuner.training.averaging:ema",
                summary="Exponential moving average.",
                parameters={"decay": share(0.998, "What a step keeps of the average so far.")},
            ),
            "swa": Option(
                builder="tuner.training.averaging:swa",
                summary="The plain mean along the way from some point on.",
                parameters={"start": share(0.5, "Share of the budget after which it begins.")},
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

_COMMON = {**_ARCHITECTURE, **_OPTIMISATION, **IMBALANCE}
PARAMETERS: Mapping[Inputs, Mapping[str, Parameter]] = {
    "text": {**_TEXT, **_COMMON},
    "sequence": {**_SEQUENCE, **_COMMON},
}
