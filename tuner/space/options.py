"""The kinds of hyperparameters: numbers, switches, texts, and named options with parameters of their own.

Plain data without torch, so that a space can be checked, sampled and described in milliseconds. `tuner.space.parameters`
lists the hyperparameters themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tuner.space.task import Task


@dataclass(frozen=True, kw_only=True)
class Need:
    """A condition: the parameter `name`, which comes earlier in the table, is at least `least`."""

    name: str
    least: float


@dataclass(frozen=True, kw_only=True)
class Number:
    """A whole or real number within bounds. An open bound is not itself allowed.

    With `is_listed`, a space must list the values and cannot give a range, because texts are prepared for each value.
    With `need`, the parameter exists only in configurations that meet the condition. With `may_be_auto`, a space may leave it
    to the search.
    """

    summary: str
    kind: Literal["int", "float"]
    default: float
    low: float
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    is_listed: bool = False
    need: Need | None = None
    may_be_auto: bool = False

    def allows(self, value: float) -> bool:
        """Return whether `value` lies within the bounds."""
        above = value > self.low if self.low_open else value >= self.low
        if self.high is None:
            return above
        return above and (value < self.high if self.high_open else value <= self.high)

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "at least 1 and at most 8"."""
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
class Text:
    """A text, such as a file's name. It has no default, so a space must give it."""

    summary: str


@dataclass(frozen=True, kw_only=True)
class Option:
    """A named value of a parameter, with parameters of its own that exist only while it is chosen.

    This declaration is all that registers an option. `builder` names the function or class that the option stands for, as
    "tuner.training.clipping:clip_by_norm". It is imported when a trial needs it, and takes the option's own parameters as
    keyword arguments (see `tuner.space.build`). An option that is only a word, such as truncation: end, has none.

    `tasks` lists the tasks that may use the option. For any other task, `reason` ("needs one label per row") says why it
    may not, and `instead` what to use. An option with `each` takes one such number for every label, under the label's name.
    `needs_vectors` marks a resampling that looks for neighbours, and so needs a vector for each training row.
    """

    summary: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
    reason: str = ""
    instead: str = ""
    each: Number | None = None
    builder: str = ""
    needs_vectors: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """A parameter that is set to one of several named options."""

    summary: str
    default: str
    options: Mapping[str, Option]


Parameter: TypeAlias = "Number | Switch | Text | Options"


def integer(default: int, low: int, high: int, summary: str, *, is_listed: bool = False) -> Number:
    """Return a whole number from `low` to `high`."""
    return Number(summary=summary, kind="int", default=default, low=low, high=high, is_listed=is_listed)


def real(default: float, summary: str, *, high: float | None = None) -> Number:
    """Return a real number of at least 0."""
    return Number(summary=summary, kind="float", default=default, low=0, high=high)


def positive(default: float, summary: str, *, high: float | None = None) -> Number:
    """Return a real number above 0."""
    return Number(summary=summary, kind="float", default=default, low=0, low_open=True, high=high)


def share(default: float, summary: str, *, low_open: bool = False, need: Need | None = None) -> Number:
    """Return a real number below 1 and at least 0, or above 0 if `low_open`."""
    return Number(
        summary=summary, kind="float", default=default, low=0, low_open=low_open, high=1, high_open=True, need=need
    )


def ratio(summary: str) -> Number:
    """Return a real number above 0 and at most 1, with default 1."""
    return Number(summary=summary, kind="float", default=1.0, low=0, high=1, low_open=True)
