"""What a benchmark returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure. If it only explains another one, `asked` is empty and `holds` is None."""

    name: str
    asked: str
    measured: float | None
    unit: str
    holds: bool | None
    detail: str = ""


class SkippedError(Exception):
    """A benchmark cannot run here. The message says why."""


def at_least(name: str, floor: float, measured: float, unit: str, detail: str = "") -> Row:
    """Return a figure with a lower bound."""
    return Row(
        name=name, asked=f">= {floor:g}", measured=measured, unit=unit, holds=bool(measured >= floor), detail=detail
    )


def at_most(name: str, ceiling: float, measured: float, unit: str, detail: str = "") -> Row:
    """Return a figure with an upper bound."""
    return Row(
        name=name, asked=f"<= {ceiling:g}", measured=measured, unit=unit, holds=bool(measured <= ceiling), detail=detail
    )


def explains(name: str, measured: float | None, unit: str, detail: str = "") -> Row:
    """Return a figure without a bound."""
    return Row(name=name, asked="", measured=measured, unit=unit, holds=None, detail=detail)
