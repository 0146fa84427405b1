"""Show a value to a person: in a message, in a table, on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ABSENT = "–"
_MOST_CHARACTERS = 60
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SMALL_SHARE = 0.1  # without decimals, small shares would look alike or like none, and the rest of them like all
_TINY = 0.001  # with three decimals, smaller numbers would look like zero


def show_yaml(value: Any, *, is_whole: bool = False) -> str:
    """Return a value as YAML writes it, cut to 60 characters unless `is_whole`; a list or a mapping by its kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else f"{value:.12g}" if isinstance(value, float) else str(value)
    return text if is_whole or len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def show_value(value: Any, *, real: str = ".3f", whole: str = "", absent: str = ABSENT) -> str:
    """Return a value as a table shows it: yes or no, a number in the given format, `absent` for None and NaN.

    `real` and `whole` are format specifications for floats and for integers.
    """
    if value is None or (isinstance(value, float) and value != value):
        return absent
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format(value, real)
    return format(value, whole) if isinstance(value, int) else str(value)


def show_share(share: float) -> str:
    """Return a share in per cent: "37 %". A share near 0 or 1 has the digits that tell it from them: "0.4 %", "99.96 %"."""
    rest = min(share, 1 - share)
    digits = 0 if rest <= 0 or rest >= _SMALL_SHARE else -math.floor(math.log10(10 * rest))
    shown = f"{100 * share:.{digits}f}"
    return f"{shown.rstrip('0').rstrip('.') if digits else shown} %"


def show_duration(seconds: float) -> str:
    """Return a time as people say it: "45 s", "3 min 48 s", "12 min", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def show_count(number: float, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 seed", "1,200 rows", "2.51 epochs". `plural` is the noun's plural if it adds no s."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{shown} {noun if shown == '1' else plural or f'{noun}s'}"


def show_moment(moment: datetime, now: datetime) -> str:
    """Return a moment as people say it, in the time zone of `now`: "today 14:03", "28 Nov 14:03", "28 Nov 2025"."""
    local = moment.astimezone(now.tzinfo)
    days = (now.date() - local.date()).days
    clock = f"{local:%H:%M}"
    if days in (0, 1):
        return f"{('today', 'yesterday')[days]} {clock}"
    day = f"{local.day} {_MONTHS[local.month - 1]}"
    return f"{day} {clock}" if local.year == now.year else f"{day} {local.year}"


def show_full_moment(moment: datetime) -> str:
    """Return a moment with its year and time zone, as it stays true on a page: "28 Nov 2026, 14:03 UTC"."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M %Z}".rstrip()


def show_on_page(value: Any) -> str:
    """Return a value as the page shows it: three decimals, thousands in groups, a typographic minus."""
    text = show_value(value, whole=",")
    return text.replace("-", "−") if isinstance(value, float) else text


def show_measured(value: Any) -> str:
    """Return a measurement as the page shows it: tiny numbers with two digits, lists and mappings on one line."""
    if isinstance(value, float) and 0 < abs(value) < _TINY:
        return ("−" if value < 0 else "") + f"{abs(value):.2g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(show_measured, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {show_measured(inner)}" for name, inner in value.items())
    return show_on_page(value)
