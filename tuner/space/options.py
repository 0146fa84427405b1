"""The vocabulary of the `space` section: every hyperparameter, its bounds, its default and what it means.

A plain table without torch, so that a space can be checked, sampled and described in milliseconds. What an option
*does* stands in the registries of `tuner.model`, `tuner.training` and `tuner.imbalance` under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Number:
    """A whole or real number within bounds; an open bound is not itself allowed."""

    summary: str
    kind: Literal["int", "float"]
    default: float
    low: float
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def allows(self, value: float) -> bool:
        """Return whether `value` lies within the bounds."""
        above = value > self.low if self.low_open else value >= self.low
        if self.high is None:
            return above
        return above and (value < self.high if self.high_open else value <= self.high)

    @property
    def bounds(self) -> str:
        """The bounds in words, as "at least 1 and at most 8"."""
        low = f"{'above' if self.low_open else 'at least'} {self.low:g}"
        if self.high is None:
            return low
        high = f"{'below' if self.high_open else 'at most'} {self.high:.12g}"
        return f"{low} and {high}"


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A parameter that is true or false."""

    summary: str
    default: bool


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing that a parameter may be set to, with parameters of its own that exist only then."""

    summary: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Options:
    """A parameter that is set to one of several named options."""

    summary: str
    default: str
    options: Mapping[str, Option]


Parameter: TypeAlias = "Number | Switch | Options"


def _integer(default: int, low: int, high: int, summary: str) -> Number:
    return Number(summary=summary, kind="int", default=default, low=low, high=high)


def _share(default: float, summary: str) -> Number:
    return Number(summary=summary, kind="float", default=default, low=0, high=1, high_open=True)


def _ratio(summary: str) -> Number:
    return Number(summary=summary, kind="float", default=1.0, low=0, high=1, low_open=True)


def _threshold(default: float, summary: str) -> Number:
    return Number(summary=summary, kind="float", default=default, low=0, low_open=True)


_TEXT: Mapping[str, Parameter] = {
    "tokens": Options(
        summary="How a text is cut into tokens.",
        default="word",
        options={
            "word": Option(
                summary="Words and punctuation marks.",
                parameters={"lower_case": Switch(summary="Whether case is ignored.", default=True)},
            )
        },
    ),
    "vocabulary": _integer(20_000, 100, 1_000_000, "The most frequent tokens that are kept."),
    "min_count": _integer(2, 1, 1000, "Occurrences in the training rows that a token needs to be kept."),
    "max_length": _integer(64, 1, 10_000, "Tokens of a text that are read; the rest is cut off."),
}

_ARCHITECTURE: Mapping[str, Parameter] = {
    "embedding": _integer(128, 1, 4096, "Numbers that stand for one token."),
    "embedding_scale": Number(
        summary="Standard deviation of the embedding's initial values; PyTorch's own is 1.",
        kind="float",
        default=0.1,
        low=0,
        low_open=True,
        high=10,
    ),
    "embedding_dropout": _share(0.0, "Share of the embedding that is zeroed in training."),
    "hidden": _integer(128, 1, 4096, "Units of the LSTM in each layer and direction."),
    "layers": _integer(1, 1, 8, "Layers of the LSTM."),
    "directions": _integer(2, 1, 2, "1: the text is read forwards; 2: also backwards."),
    "pooling": Options(
        summary="How the LSTM's outputs over a text become one vector; padding is never read.",
        default="max",
        options={
            "last": Option(summary="The last real step of each direction."),
            "mean": Option(summary="The mean over the real steps."),
            "max": Option(summary="The largest over the real steps, unit by unit."),
            "attention": Option(summary="A learned weighted mean over the real steps."),
        },
    ),
    "dropout": _share(0.3, "Share of units that is zeroed in training, between layers and before the head."),
}

_OPTIMISATION: Mapping[str, Parameter] = {
    "optimiser": Options(
        summary="The optimisation rule.",
        default="adamw",
        options={
            "adam": Option(summary="Adam."),
            "adamw": Option(
                summary="Adam with decoupled weight decay.",
                parameters={
                    "weight_decay": Number(summary="Decay of the weights.", kind="float", default=0.01, low=0),
                },
            ),
            "sgd": Option(
                summary="Stochastic gradient descent.",
                parameters={"momentum": _share(0.9, "Share of the last step that is taken again.")},
            ),
        },
    ),
    "learning_rate": Number(
        summary="The largest learning rate of the schedule.", kind="float", default=0.002, low=0, low_open=True, high=10
    ),
    "schedule": Options(
        summary="How the learning rate moves over the budget of a trial.",
        default="constant",
        options={
            "constant": Option(summary="It stays."),
            "cosine": Option(
                summary="It falls to zero along a cosine.",
                parameters={"warm_up": _share(0.0, "Share of the budget in which it rises from zero first.")},
            ),
            "one_cycle": Option(
                summary="It rises, then falls far below where it began.",
                parameters={
                    "warm_up": Number(
                        summary="Share of the budget in which it rises.",
                        kind="float",
                        default=0.3,
                        low=0,
                        low_open=True,
                        high=1,
                        high_open=True,
                    )
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
                parameters={"threshold": _threshold(1.0, "The largest norm.")},
            ),
            "value": Option(
                summary="Each number of the gradient is cut to a largest size.",
                parameters={"threshold": _threshold(0.5, "The largest size.")},
            ),
        },
    ),
    "batch_size": _integer(64, 1, 65_536, "Rows in one training step."),
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

_IMBALANCE: Mapping[str, Parameter] = {
    "loss_weights": Options(
        summary="How much more a rare label counts in the loss.",
        default="none",
        options={
            "none": Option(summary="All count the same."),
            "balanced": Option(summary="In proportion to one over its frequency."),
            "root": Option(summary="In proportion to the square root of one over its frequency."),
        },
    ),
    "resampling": Options(
        summary="Which training rows an epoch has.",
        default="none",
        options={
            "none": Option(summary="The rows as they are."),
            "oversample": Option(
                summary="Rows of rarer classes are repeated.",
                parameters={"ratio": _ratio("Each class is raised to at least this share of the largest one.")},
            ),
            "undersample": Option(
                summary="Rows of more frequent classes are left out.",
                parameters={"ratio": _ratio("Each class is cut to at most the smallest one divided by this.")},
            ),
            "balanced_batches": Option(summary="Every batch has the classes in equal parts."),
        },
    ),
}

PARAMETERS: Mapping[str, Parameter] = {**_TEXT, **_ARCHITECTURE, **_OPTIMISATION, **_IMBALANCE}
