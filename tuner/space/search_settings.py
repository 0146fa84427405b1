"""The sections search, resources and score of a space file, as frozen typed settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml
from tuner.space.assignment import Write
from tuner.space.auto import AUTO, GPUS, OF_SEARCH, stand_ins
from tuner.space.base_section import Broken, Rule, Section, Values, refuse

_OF_NUMBERS = ("type", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
TIME_PATTERN = r"^(?=.)(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?$"


ChampionKind = Literal["single", "committee", "blend"]

ALGORITHMS: Mapping[str, str] = {
    "tpe": "tuner.samplers.tpe:TpeSampler",
    "random": "tuner.samplers.random:RandomSampler",
}
"""The search algorithms, each with the class of its sampler, which is imported only when a search starts."""


def read_time(value: object) -> float | None:
    """Return seconds from "90s", "5m", "2h", "1h30m" or a number of seconds; None stays None.

    Raises PydanticCustomError (of type "fault") for anything else, and for a time that is not above zero.
    """
    if value is None:
        return None
    remedy = "write it as 90s, 5m, 2h or 1h30m, or as a number of seconds"
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and re.match(TIME_PATTERN, value):
        parts = re.findall(r"([\d.]+)([hms])", value)
        seconds = sum(float(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)
    else:
        raise refuse(f"{show_yaml(value)} is not a time", remedy)
    if not 0 < seconds < math.inf:
        raise refuse(f"{show_yaml(value)} is not a time above zero", remedy)
    return seconds


def _read_algorithm(value: object) -> object:
    if not isinstance(value, str) or value not in ALGORITHMS:
        raise refuse(f"{show_yaml(value)} is not among the choices", did_you_mean(str(value), ALGORITHMS))
    return value


def _list_algorithms(schema: dict[str, Any]) -> None:
    schema["enum"] = list(ALGORITHMS)


def _some_budget(values: Values) -> Broken | None:
    if all(values.get(name) is None for name in ("trials", "time", "cost")):
        remedy = Write("add {}, or {}, or both", (("time", "5m"), ("trials", 50)))
        return "neither trials nor time is set, so the search would never end", remedy
    return None


def _cost_of_an_hour(values: Values) -> Broken | None:
    if values["cost"] is not None and values["cost_per_hour"] is None:
        return "cost is given, but cost_per_hour is not", "add cost_per_hour: the hourly price of all machines together"
    if values["cost"] is None and values["cost_per_hour"] is not None:
        return "cost_per_hour is given, but cost is not", "add cost, or remove cost_per_hour"
    return None


def _grace_within_budget(values: Values) -> Broken | None:
    grace, budget = values["grace_epochs"], values["max_epochs"]
    if grace > budget:
        return (
            f"grace_epochs is {grace:g}, but max_epochs is only {budget:g}",
            Write("use {} or less", (("grace_epochs", budget),)),
        )
    return None


def _grace_at_a_measurement(values: Values) -> Broken | None:
    grace, measurements = values["grace_epochs"], values["reports_per_epoch"]
    nearest = max(1, round(grace * measurements))
    if not math.isclose(grace * measurements, nearest, rel_tol=1e-9):
        return (
            f"grace_epochs is {grace:g}, but must be a multiple of 1/{measurements} with {measurements} measurements per epoch",
            Write("use {}, or change reports_per_epoch", (("grace_epochs", nearest / measurements),)),
        )
    return None


def _whole_trials(values: Values) -> Broken | None:
    failed = values["max_failed"]
    if failed is not None and failed > 1 and failed != int(failed):
        return (
            f"max_failed is {failed:g}, but above 1 it must be a whole number",
            "use a share below 1, or a whole number",
        )
    return None


Seconds = Annotated[
    float | None,
    BeforeValidator(read_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": TIME_PATTERN},
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "null"},
            ]
        }
    ),
]


def _or_auto(schema: dict[str, Any]) -> None:
    """Allow `auto` in the place of a number."""
    number = {name: schema.pop(name) for name in list(schema) if name in _OF_NUMBERS}
    schema["anyOf"] = [number, {"const": AUTO}]


class SearchSettings(Section):
    """How to propose trials, how long to train them, and when to end the search. Epochs are counted in examples seen.

    A setting that the space leaves to the search as `auto` holds a number that only stands in for it, until
    `tuner.search.sizing` settles it.
    """

    algorithm: Annotated[str, BeforeValidator(_read_algorithm)] = Field(
        default="tpe", description="How to propose configurations.", json_schema_extra=_list_algorithms
    )
    trials: int | None = Field(default=None, ge=1, le=1_000_000, description="End the search after this many trials.")
    time: Seconds = Field(
        default=None,
        description="End the whole search within this time: 90s, 5m, 2h, 1h30m, or a number of seconds.",
    )
    cost: float | None = Field(
        default=None, gt=0, description="End the whole search before it costs more than this, at cost_per_hour."
    )
    cost_per_hour: float | None = Field(
        default=None, gt=0, description="Hourly price of all machines together, in the same currency as cost."
    )
    max_epochs: float = Field(
        default=10.0, gt=0, le=10_000, description="The full budget of a trial, in epochs.", json_schema_extra=_or_auto
    )
    grace_epochs: float = Field(
        default=1.0,
        gt=0,
        le=10_000,
        description="The first rung of ASHA, in epochs. ASHA stops no trial earlier.",
        json_schema_extra=_or_auto,
    )
    reports_per_epoch: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="How often to measure a trial on the validation rows in each epoch.",
        json_schema_extra=_or_auto,
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Stop a trial whose score has not improved for this many measurements. Null: only ASHA stops trials.",
    )
    trial_timeout: Seconds = Field(
        default=3600.0,
        description="A trial that sends no measurement for this long has failed: 90s, 10m, 2h. Null: wait forever.",
    )
    max_failed: float | None = Field(
        default=0.8,
        gt=0,
        le=1_000_000,
        description="End the search when more than this many trials have failed, or than this share, if below 1. Null: never.",
    )
    reduction_factor: float = Field(
        default=3.0, gt=1, le=100, description="At each rung, about one in this many trials continues."
    )
    finalists: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How many of the best trials to train again at full budget.",
        json_schema_extra=_or_auto,
    )
    seeds: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How many times to train each finalist, each time with another seed.",
        json_schema_extra=_or_auto,
    )
    champion: ChampionKind = Field(
        default="blend",
        description="What to hand over: the best single model, a committee of models whose probabilities are averaged, or a "
        "blend, a committee that the linear baseline may join.",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="The seed that all other seeds are derived from.")

    rules = (
        Rule(("trials", "time", "cost"), _some_budget),
        Rule(("cost", "cost_per_hour"), _cost_of_an_hour),
        Rule(("grace_epochs", "max_epochs"), _grace_within_budget),
        Rule(("grace_epochs", "reports_per_epoch"), _grace_at_a_measurement),
        Rule(("max_failed",), _whole_trials),
    )

    @classmethod
    def fill(cls, values: Values) -> Values:
        """Put a number in the place of each `auto`."""
        return {**values, **stand_ins(values, {name: cls.model_fields[name].default for name in OF_SEARCH})}

    @property
    def seconds(self) -> float | None:
        """The seconds that the search may take: its time, or what its cost pays for, whichever is less."""
        bought = None if self.cost is None or self.cost_per_hour is None else 3600 * self.cost / self.cost_per_hour
        return min((each for each in (self.time, bought) if each is not None), default=None)

    @property
    def tightest(self) -> Literal["time", "cost"]:
        """Which of the two limits `seconds` comes from."""
        return "time" if self.seconds == self.time else "cost"


def _one_gpu(values: Values) -> Broken | None:
    gpus = values["gpus"]
    if gpus > 1:
        return (
            f"gpus is {gpus:g}, but a trial uses one GPU or a share of one, so the others would stay idle",
            Write("use {}: trials run side by side on all GPUs", (("gpus", 1),)),
        )
    return None


def _auto_by_default(schema: dict[str, Any]) -> None:
    _or_auto(schema)
    schema["default"] = AUTO


class ResourceSettings(Section):
    """What one trial uses of a machine.

    If the space leaves `gpus` to the search, it is 0 until `tuner.search.gpus` settles it.
    """

    cpus: int = Field(default=1, ge=1, le=10_000, description="CPU cores for each trial, one thread each.")
    gpus: float = Field(
        default=0.0,
        ge=0,
        description="The share of a GPU for each trial; with 0.5, two share one. Auto: what a short measurement finds best.",
        json_schema_extra=_auto_by_default,
    )
    concurrent: int | None = Field(
        default=None, ge=1, le=100_000, description="How many trials to run at once. Null: as many as fit."
    )
    wait: Seconds = Field(
        default=None,
        description="How long to wait for a node of the cluster with room for a trial: 90s, 15m. Null: do not wait. The wait "
        "does not count against search.time.",
    )

    rules = (Rule(("gpus",), _one_gpu),)

    @classmethod
    def fill(cls, values: Values) -> Values:
        """Put 0 in the place of `auto`."""
        return {**values, **({GPUS: 0.0} if values.get(GPUS) == AUTO else {})}


class ScoreSettings(Section):
    """The score is macro-F1 minus `penalty_weight` times the constant penalty."""

    penalty_weight: float = Field(
        default=1.0, ge=0, le=1000, description="Weight of the penalty for constant predictions."
    )
