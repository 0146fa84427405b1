"""Count the configurations of a space: its settings."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from tuner.space.configuration import Value
from tuner.space.domains import Choice, Conditional, Domain, Fixed, FloatRange, IntRange, OptionChoice, Single
from tuner.space.search_settings import SearchSettings

_SHOWN_EXACTLY = 1_000_000
_FEW = 1_000  # a search that only time limits may well try as many


def count_configurations(parameters: Mapping[str, Domain]) -> int | None:
    """Return how many different configurations the domains allow, None if there are infinitely many.

    Counts are multiplied and added, not listed, so the number may be huge.
    """
    return _multiply(
        _count(domain, [each for each in parameters.values() if _depends_on(each, name)])
        for name, domain in parameters.items()
        if not isinstance(domain, Conditional)  # counted with the parameter that it depends on
    )


def describe_size(parameters: Mapping[str, Domain]) -> str | None:
    """Say how many settings a space has, as in "the space has 2 settings to try"; None if infinitely many."""
    count = count_configurations(parameters)
    if count is None:
        return None
    number = f"{count:,}" if count <= _SHOWN_EXACTLY else f"more than {_SHOWN_EXACTLY:,}"
    return f"the space has {f'{number} settings' if count > 1 else 'only 1 setting'} to try"


def describe_limit(parameters: Mapping[str, Domain], search: SearchSettings) -> str | None:
    """Say when a search will end for want of settings; None if another limit comes first, or most likely does."""
    size, count = describe_size(parameters), count_configurations(parameters)
    if size is None or count is None:
        return None
    followed = f"{size}; once {'all have' if count > 1 else 'it has'} been tried, the finalists follow"
    if search.trials is not None:
        return f"{followed}, so there are fewer than {search.trials:,} trials" if count < search.trials else None
    return followed if count <= _FEW else None


def count_values(domain: Single) -> int | None:
    """Return how many values a domain has, None if infinitely many. Steps are counted in decimal, as people do."""
    if isinstance(domain, Fixed):
        return 1
    if isinstance(domain, Choice):
        return len(domain.values)
    if domain.low == domain.high:
        return 1
    if isinstance(domain, IntRange):
        return (domain.high - domain.low) // domain.step + 1
    if domain.step is None:
        return None
    low, high, step = (Decimal(str(number)) for number in (domain.low, domain.high, domain.step))
    return int((high - low) / step) + 1


def value_at(domain: Single, place: int) -> Value:
    """Return the value at a place of a finite domain, counted from 0. In a range, values ascend."""
    if isinstance(domain, Fixed):
        return domain.value
    if isinstance(domain, Choice):
        return domain.values[place]
    if isinstance(domain, IntRange):
        return domain.low + domain.step * place
    if not place:
        return domain.low
    # Decimal, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
    return float(Decimal(str(domain.low)) + Decimal(str(domain.step)) * place)


def _depends_on(domain: Domain, name: str) -> bool:
    return isinstance(domain, Conditional) and domain.need.name == name


def _count(domain: Domain, dependents: Sequence[Domain]) -> int | None:
    """Count the values of a domain, each with the values of the parameters that depend on it."""
    if isinstance(domain, OptionChoice):
        return _add([count_configurations(parameters) for _, parameters in domain.options])
    assert not isinstance(domain, Conditional)
    count = count_values(domain)
    conditions = [each for each in dependents if isinstance(each, Conditional)]
    if count is None or not conditions:
        return count
    leasts = sorted({each.need.least for each in conditions})
    parts = []
    for least, above in pairwise([-math.inf, *leasts, math.inf]):
        values = _count_from(domain, count, least) - _count_from(domain, count, above)
        applying = [count_values(each.domain) for each in conditions if each.need.least <= least]
        parts.append(_multiply([values, *applying]))
    return _add(parts)


def _count_from(domain: Single, count: int, least: float) -> int:
    """Count the values of a domain of numbers that are at least `least`."""

    def number_at(place: int) -> float:
        return float(value_at(domain, place))

    if isinstance(domain, IntRange | FloatRange):
        return count - bisect_left(range(count), least, key=number_at)
    return sum(number_at(place) >= least for place in range(count))


def _multiply(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    if 0 in known:
        return 0
    return None if None in known else math.prod(each for each in known if each is not None)


def _add(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(each for each in counts if each is not None)
