"""Every hyperparameter: its bounds, its default and its meaning.

This is the registry. Each option names its builder: the function or class in `tuner.data`, `tuner.model`,
`tuner.training` or `tuner.imbalance` that does the work. To add an option, write the builder and declare it here. Some
parameters are for texts, some for numeric sequences, most for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
from tuner.space.task import Inputs

_LOWER_CASE: Mapping[str, Parameter] = {"lower_case": Switch(summary="Whether to ignore case.", default=True)}
_SUBWORDS: Mapping[str, Parameter] = {
    **_LOWER_CASE,
    "size": integer(8000, 100, 200_000, "Size of the vocabulary.", is_listed=True),
}
_IS_TUNED = Switch(summary="Whether training also updates the vectors.", default=True)

_TEXT: Mapping[str, Parameter] = {
    "tokens": Options(
        summary="How to split a text into tokens.",
        default="word",
        options={
            "word": Option(
                builder="tuner.data.tokenisers:fit_words",
                summary="Words and punctuation marks.",
                parameters={
                    **_LOWER_CASE,
                    "punctuation": Switch(summary="Whether to keep punctuation marks as tokens.", default=True),
                    "stop_words": Switch(summary="Whether to keep the most common English words.", default=True),
                    "forms": Options(
                        summary="How to treat the different forms of a word.",
                        default="as_written",
                        options={
                            "as_written": Option(summary="Keep words as they are written."),
                            "stem": Option(summary="Cut words to their stem, by English Snowball rules."),
                            "lemma": Option(summary="Replace words by their English dictionary form."),
                        },
                    ),
                    "vocabulary": integer(20_000, 100, 1_000_000, "How many of the most frequent words to keep."),
                    "min_count": integer(2, 1, 1000, "How often a word must occur in the training rows to be kept."),
                },
            ),
            "character": Option(
                builder="tuner.data.tokenisers:fit_characters", summary="Single characters.", parameters=_LOWER_CASE
            ),
            "bpe": Option(
                builder="tuner.data.subwords:fit_bpe",
                summary="Parts of words, found by byte-pair encoding.",
                parameters=_SUBWORDS,
            ),
            "wordpiece": Option(
                builder="tuner.data.subwords:fit_wordpiece",
                summary="Parts of words, found by WordPiece.",
                parameters=_SUBWORDS,
            ),
        },
    ),
    "max_length": integer(64, 1, 10_000, "Read at most this many tokens of a text."),
    "embedding": Options(
        summary="Where the vectors of the tokens come from.",
        default="random",
        options={
            "random": Option(
                summary="Drawn at random, then trained.",
                parameters={
                    "size": integer(128, 1, 4096, "Size of each vector."),
                    "scale": positive(0.1, "Standard deviation of the initial values; PyTorch uses 1.", high=10),
                },
            ),
            "file": Option(
                summary="Read from a GloVe, word2vec or fastText file.",
                parameters={"path": Text(summary="The path of the file."), "is_tuned": _IS_TUNED},
            ),
            "word2vec": Option(
                summary="Trained with skip-gram on the training texts before the search.",
                parameters={
                    "size": integer(128, 1, 4096, "Size of each vector.", is_listed=True),
                    "is_tuned": _IS_TUNED,
                },
            ),
        },
    ),
    "embedding_dropout": share(0.0, "Share of the embedding to set to zero in training."),
    "token_dropout": share(0.0, "Share of a row's tokens to replace with the unknown token in training."),
    "token_swap": share(0.0, "Share of a row's tokens to swap with the next one in training."),
    "token_replacement": share(0.0, "Share of a row's tokens to replace with a random token in training."),
}

_SEQUENCE: Mapping[str, Parameter] = {
    "max_length": integer(1000, 1, 100_000, "Read at most this many steps of a sequence."),
    "noise": real(
        0.0, "Standard deviation of the noise added in training, in standard deviations of the channel.", high=10
    ),
    "scaling": real(
        0.0, "Standard deviation of the random factors, around 1, that scale a row's channels in training.", high=10
    ),
    "smoothing": share(0.0, "Share of training rows to smooth with a mean over three steps."),
    "time_masking": share(0.0, "Longest stretch of a row to blank out in training, as a share of its steps."),
}

_ARCHITECTURE: Mapping[str, Parameter] = {
    "truncation": Options(
        summary="Which end of a row to cut off if the row is too long.",
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
                parameters={"forget_bias": real(0.0, "Added to the initial bias of the forget gate.", high=10)},
            ),
            "gru": Option(builder="tuner.model.recurrent:gru", summary="Gated recurrent unit."),
        },
    ),
    "hidden": integer(128, 1, 4096, "Units in each layer and direction."),
    "layers": integer(1, 1, 8, "Recurrent layers."),
    "directions": integer(2, 1, 2, "1: read rows forwards; 2: also backwards."),
    "initialisation": Options(
        summary="How to draw the initial weights of the recurrent layers.",
        default="pytorch",
        options={
            "pytorch": Option(builder="tuner.model.initialise:pytorch_default", summary="Uniform, PyTorch's default."),
            "xavier_orthogonal": Option(
                builder="tuner.model.initialise:xavier_orthogonal",
                summary="Xavier input weights, orthogonal recurrent weights, zero biases.",
            ),
        },
    ),
    "pooling": Options(
        summary="How to turn the outputs for all steps of a row into one vector. Padding is never read.",
        default="max",
        options={
            "last": Option(builder="tuner.model.pooling:LastStep", summary="The last real step of each direction."),
            "mean": Option(builder="tuner.model.pooling:Mean", summary="The mean over the real steps."),
            "max": Option(
                builder="tuner.model.pooling:Maximum", summary="The maximum of each unit over the real steps."
            ),
            "concatenation": Option(
                builder="tuner.model.pooling:Concatenation", summary="Last, mean and max side by side."
            ),
            "attention": Option(
                builder="tuner.model.pooling:Attention",
                summary="A weighted mean over the real steps, with learned weights.",
            ),
            "self_attention": Option(
                builder="tuner.model.pooling:SelfAttention",
                summary="Multi-head self-attention between the real steps, then their mean.",
                parameters={"heads": integer(4, 1, 64, "Number of attention heads.")},
            ),
        },
    ),
    "layer_norm": Switch(summary="Whether to normalise the outputs of each layer at every step.", default=False),
    "layer_dropout": share(
        0.3, "Share of units to set to zero between layers in training.", need=Need(name="layers", least=2)
    ),
    "variational_dropout": Switch(
        summary="Whether dropout on the embedding and between layers drops the same units at every step of a row.",
        default=False,
    ),
    "weight_dropout": share(0.0, "Share of the recurrent weights to set to zero in training."),
    "dropout": share(0.3, "Share of units to set to zero before the head in training."),
}

_WEIGHT_DECAY = {"weight_decay": real(0.0, "Weight decay, as a penalty on squared weights.", high=10)}

_OPTIMISATION: Mapping[str, Parameter] = {
    "optimiser": Options(
        summary="The optimiser.",
        default="adamw",
        options={
            "adam": Option(builder="tuner.training.optimisers:adam", summary="Adam.", parameters=_WEIGHT_DECAY),
            "adamw": Option(
                builder="tuner.training.optimisers:adamw",
                summary="Adam with decoupled weight decay.",
                parameters={"weight_decay": real(0.01, "Weight decay, decoupled from the gradient.")},
            ),
            "nadam": Option(
                builder="tuner.training.optimisers:nadam",
                summary="Adam with Nesterov momentum.",
                parameters=_WEIGHT_DECAY,
            ),
            "rmsprop": Option(
                builder="tuner.training.optimisers:rmsprop",
                summary="RMSprop.",
                parameters={"momentum": share(0.0, "Momentum: the share of the last step to repeat."), **_WEIGHT_DECAY},
            ),
            "sgd": Option(
                builder="tuner.training.optimisers:sgd",
                summary="Stochastic gradient descent.",
                parameters={"momentum": share(0.9, "Momentum: the share of the last step to repeat."), **_WEIGHT_DECAY},
            ),
        },
    ),
    "learning_rate": positive(0.002, "The highest learning rate of the schedule.", high=10),
    "schedule": Options(
        summary="How the learning rate changes over the budget of a trial.",
        default="constant",
        options={
            "constant": Option(builder="tuner.training.schedules:constant", summary="Stays the same."),
            "warm_up": Option(
                builder="tuner.training.schedules:warm_up",
                summary="Rises linearly from zero, then stays the same.",
                parameters={"share": share(0.1, "Share of the budget during which it rises.", low_open=True)},
            ),
            "linear": Option(
                builder="tuner.training.schedules:linear",
                summary="Rises linearly from zero, then falls linearly to zero.",
                parameters={"warm_up": share(0.1, "Share of the budget during which it rises first.")},
            ),
            "step": Option(
                builder="tuner.training.schedules:step",
                summary="Falls in steps.",
                parameters={
                    "every": share(0.25, "Share of the budget between two steps.", low_open=True),
                    "factor": share(0.5, "Multiply the learning rate by this at each step.", low_open=True),
                },
            ),
            "cosine": Option(
                builder="tuner.training.schedules:cosine",
                summary="Falls to zero along a cosine.",
                parameters={"warm_up": share(0.0, "Share of the budget during which it rises first.")},
            ),
            "one_cycle": Option(
                builder="tuner.training.schedules:one_cycle",
                summary="Rises, then falls far below its initial value.",
                parameters={"warm_up": share(0.3, "Share of the budget during which it rises.", low_open=True)},
            ),
            "plateau": Option(
                builder="tuner.training.schedules:plateau",
                summary="Falls by a factor whenever the score stops improving.",
                parameters={
                    "patience": integer(2, 1, 1000, "How many measurements without a better score to wait for."),
                    "factor": share(0.5, "Multiply the learning rate by this each time.", low_open=True),
                },
            ),
        },
    ),
    "clipping": Options(
        summary="What to do about large gradients.",
        default="norm",
        options={
            "none": Option(builder="tuner.training.clipping:no_clipping", summary="Nothing."),
            "norm": Option(
                builder="tuner.training.clipping:clip_by_norm",
                summary="Scale the gradient down to a maximum norm.",
                parameters={"threshold": positive(1.0, "The maximum norm.")},
            ),
            "value": Option(
                builder="tuner.training.clipping:clip_by_value",
                summary="Clip each entry of the gradient to a maximum size.",
                parameters={"threshold": positive(0.5, "The maximum size.")},
            ),
            "quantile": Option(
                builder="tuner.training.clipping:clip_by_quantile",
                summary="Scale the gradient down to a quantile of the norms of recent steps.",
                parameters={
                    "quantile": share(0.5, "The quantile.", low_open=True),
                    "history": integer(100, 2, 100_000, "How many recent steps to consider."),
                },
            ),
        },
    ),
    "batch_size": replace(integer(64, 1, 65_536, "Rows in one batch."), may_be_auto=True),
    "accumulation": integer(1, 1, 1024, "How many batches to combine into one training step."),
    "l1": real(0.0, "Penalty on the absolute values of the weights.", high=10),
    "averaging": Options(
        summary="Whether to evaluate and keep an average of the weights over training.",
        default="none",
        options={
            "none": Option(builder="tuner.training.averaging:no_averaging", summary="No averaging."),
            "ema": Option(
                builder="tuner.training.averaging:ema",
                summary="Exponential moving average.",
                parameters={"decay": share(0.998, "Share of the average that each step keeps.")},
            ),
            "swa": Option(
                builder="tuner.training.averaging:swa",
                summary="Mean of the weights from some point of the training on.",
                parameters={"start": share(0.5, "Share of the budget after which averaging starts.")},
            ),
        },
    ),
    "precision": Options(
        summary="The number format of the network's computations.",
        default="auto",
        options={
            "auto": Option(summary="bfloat16 if it is faster on the device, else float32."),
            "float32": Option(summary="32-bit floating point."),
            "bfloat16": Option(summary="16-bit brain floating point in the recurrent layers."),
        },
    ),
}

_COMMON = {**_ARCHITECTURE, **_OPTIMISATION, **IMBALANCE}
PARAMETERS: Mapping[Inputs, Mapping[str, Parameter]] = {
    "text": {**_TEXT, **_COMMON},
    "sequence": {**_SEQUENCE, **_COMMON},
}
