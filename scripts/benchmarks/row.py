"""What a benchmark returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure. `asked` is empty and `holds` None where the figure only explains another one."""

    name: str
    asked: str
    measured: float | None
    unit: str
    holds: bool | None
    detail: str = ""


class SkippedError(Exception):
    """A benchmark that cannot run here, and why."""


def at_least(name: str, floor: float, measured: float, unit: str, detail: str = "") -> Row:
    """A figure that has a floor."""
    return Row(
        name=name, asked=f">= {floor:g}", measured=measured, unit=unit, holds=bool(measured >= floor), detail=detail
    )


def at_most(name: str, ceiling: float, measured: float, unit: str, detail: str = "") -> Row:
    """A figure that has a ceiling."""
    return Row(
        name=name, asked=f"<= {ceiling:g}", measured=measured, unit=unit, holds=bool(measured <= ceiling), detail=detail
    )


def explains(name: str, measured: float | None, unit: str, detail: str = "") -> Row:
    """A figure of which nothing was asked."""
    return Row(name=name, asked="", measured=measured, unit=unit, holds=None, detail=detail)
