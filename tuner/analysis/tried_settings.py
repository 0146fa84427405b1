"""Settings that trials have tried: a parameter, a value or range of values, and the trials that had it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from tuner.analysis.trials import TrialFacts
from tuner.show_value import show_value
from tuner.space.domains import Conditional, Domain, FloatRange, IntRange, OptionChoice

Value: TypeAlias = "str | int | float | bool"
MOST_VALUES = 8
"""Up to this many distinct numbers are settings of their own. More are grouped into ranges."""
_RANGES = 4


@dataclass(frozen=True, kw_only=True)
class TriedSetting:
    """One value of a parameter, or a range of values from `low` to `high`, both included, and the trials that had it."""

    name: str
    shown: str
    values: tuple[Value, ...]
    low: float | None
    high: float | None
    trials: tuple[TrialFacts, ...]


def varied(trials: Sequence[TrialFacts]) -> tuple[str, ...]:
    """Return the parameters that had more than one value in these trials, in the order of the configurations."""
    values: dict[str, set[Value]] = {}
    for trial in trials:
        for name, value in trial.configuration.items():
            values.setdefault(name, set()).add(value)
    return tuple(name for name, distinct in values.items() if len(distinct) > 1)


def condition(name: str, trials: Sequence[TrialFacts]) -> str:
    """Say when a parameter is in force: "where clipping is norm", or "" if it was in force in all trials."""
    if all(name in trial.configuration for trial in trials):
        return ""
    parts = name.split(".")
    return f"where {'.'.join(parts[:-2])} is {parts[-2]}" if len(parts) > 2 else "where it is in force"


def leaves(domains: Mapping[str, Domain], prefix: str = "") -> Iterator[tuple[str, Domain]]:
    """Yield every parameter with its domain, including those of options: ("clipping.norm.threshold", FloatRange(…))."""
    for name, domain in domains.items():
        yield f"{prefix}{name}", domain
        if isinstance(domain, OptionChoice):
            for option, parameters in domain.options:
                yield from leaves(parameters, f"{prefix}{name}.{option}.")


def logarithmic(domains: Mapping[str, Domain]) -> frozenset[str]:
    """Return the parameters that were searched on a log scale."""
    return frozenset(name for name, domain in leaves(domains) if _is_log(domain))


def is_numeric(values: Sequence[Value]) -> bool:
    """Return whether all values are numbers."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def settings_of(name: str, trials: Sequence[TrialFacts], *, is_log: bool = False) -> tuple[TriedSetting, ...]:
    """Return the settings of a parameter with their trials: single values, or ranges with about equally many trials.

    Numbers are in ascending order, other values in the order in which trials first had them. Trials without the parameter are
    left out.
    """
    having = [trial for trial in trials if name in trial.configuration]
    values = list(dict.fromkeys(trial.configuration[name] for trial in having))
    if is_numeric(values):
        values.sort()
        if len(values) > MOST_VALUES:
            return _ranges(name, having, is_log=is_log)
    return tuple(_of_value(name, value, having) for value in values)


def show_setting(value: Any) -> str:
    """Return a parameter's value as a person reads it: three significant digits."""
    return show_value(value, real=".3g")


def short_name(name: str) -> str:
    """Return a shorter name that is still unique: "clipping norm: threshold" for "clipping.norm.threshold"."""
    first, _, last = name.rpartition(".")
    return f"{first.replace('.', ' ')}: {last.replace('_', ' ')}" if first else name.replace("_", " ")


def _is_log(domain: Domain) -> bool:
    inner = domain.domain if isinstance(domain, Conditional) else domain
    return isinstance(inner, IntRange | FloatRange) and inner.is_log


def _of_value(name: str, value: Value, having: Sequence[TrialFacts]) -> TriedSetting:
    members = tuple(trial for trial in having if trial.configuration[name] == value)
    return TriedSetting(name=name, shown=show_setting(value), values=(value,), low=None, high=None, trials=members)


def _ranges(name: str, having: Sequence[TrialFacts], *, is_log: bool) -> tuple[TriedSetting, ...]:
    ordered = sorted(having, key=lambda trial: trial.configuration[name])
    edges = [_edge(name, ordered, len(ordered) * place // _RANGES, is_log=is_log) for place in range(1, _RANGES)]
    bounds = [-math.inf, *dict.fromkeys(edges), math.inf]
    settings = []
    for low, high in pairwise(bounds):
        members = tuple(trial for trial in ordered if low < trial.configuration[name] <= high)
        if members:
            numbers = [trial.configuration[name] for trial in members]
            least = min(numbers) if low == -math.inf else low
            most = max(numbers) if high == math.inf else high
            shown = f"{show_setting(least)} – {show_setting(most)}"
            settings.append(TriedSetting(name=name, shown=shown, values=(), low=least, high=most, trials=members))
    return tuple(settings)


def _edge(name: str, ordered: Sequence[TrialFacts], place: int, *, is_log: bool) -> float:
    """Return a number that separates two neighbouring trials, with as few digits as possible."""
    low, high = (float(ordered[index].configuration[name]) for index in (place - 1, place))
    middle = math.sqrt(low * high) if is_log and low > 0 else (low + high) / 2
    for digits in range(1, 6):
        edge = float(f"{middle:.{digits}g}")
        if low <= edge < high:
            return edge
    return low
