"""The base class of the sections of a space file, and rules about several of their fields.

The loader can check a rule even if other fields of the section are wrong, so that it reports all faults at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from tuner.space.assignment import Write

Values = Mapping[str, Any]
Broken = tuple[str, str | Write]
"""A fault and its remedy."""


@dataclass(frozen=True)
class Rule:
    """A rule about several fields: `check` returns the fault and the remedy, or None."""

    fields: tuple[str, ...]
    check: Callable[[Values], Broken | None]


def refuse(what: str, remedy: str | Write) -> PydanticCustomError:
    """Return the error that pydantic's validators raise for a value."""
    return PydanticCustomError("fault", "{what}; {remedy}", {"what": what, "remedy": remedy})


class Section(BaseModel):
    """Base of the sections: frozen, strictly typed, without unknown keys, and checked against its `rules`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def fill(cls, values: Values) -> Values:
        """Return the values, with defaults that depend on other values filled in."""
        return values

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        return dict(cls.fill(values)) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        for rule in self.rules:
            broken = rule.check(dict(self))
            if broken is not None:
                raise refuse(*broken)
        return self
