"""Where in the space trials collapse or diverge, and a smaller space without those settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.analysis.trials import TrialFacts
from tuner.analysis.tried_settings import TriedSetting, leaves, logarithmic, settings_of, varied
from tuner.space.domains import (
    Choice,
    Conditional,
    Domain,
    Fixed,
    FloatRange,
    IntRange,
    OptionChoice,
)
from tuner.space.load import Space
from tuner.space.options import Parameter
from tuner.space.parameters import PARAMETERS
from tuner.space.show_domain import domain_as_yaml
from tuner.trial.ending import Ending

FAULTY = (Ending.COLLAPSED, Ending.DIVERGED)
_JUDGED = tuple(ending for ending in Ending if ending.is_finished)
_DEVIATIONS = 1.959964  # of the normal distribution, for 95 %
FEWEST_TRIALS = 6
"""A setting needs this many trials before a cut is suggested."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share of some trials that collapsed or diverged, with Wilson's 95 % interval."""

    lost: int
    trials: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A setting with the share of its trials that were lost, and the share of all other trials with the parameter."""

    setting: TriedSetting
    share: Share
    others: Share

    @property
    def is_worse(self) -> bool:
        """Whether its interval lies above the interval of the others."""
        return self.share.trials >= FEWEST_TRIALS and self.share.low > self.others.high


@dataclass(frozen=True, kw_only=True)
class FailingSettings:
    """Every tried setting with its share of lost trials, and narrower domains, by parameter, without the worst settings.

    `declared` holds the declarations of the space's parameters, which give the defaults.
    """

    cells: tuple[Cell, ...]
    cuts: Mapping[str, Domain]
    declared: Mapping[str, Parameter]

    @property
    def cut_lines(self) -> str:
        """The narrower domains as lines of a space file; "" if there are none."""
        return yaml_lines(self.cuts, self.declared) if self.cuts else ""

    @property
    def cut_values(self) -> dict[str, str]:
        """The narrower domains by parameter, each as a space file writes it."""
        return {name: domain_as_yaml(domain, self.declared.get(name)) for name, domain in self.cuts.items()}


def find_failing_settings(trials: Sequence[TrialFacts], space: Space | None) -> FailingSettings:
    """Map the trials of a search to their settings; no cut is suggested without a `space`."""
    domains: Mapping[str, Domain] = space.parameters if space else {}
    cells = collapse_map(trials, logarithmic=logarithmic(domains))
    declared = PARAMETERS[space.inputs] if space else {}
    return FailingSettings(cells=cells, cuts=suggest_cuts(cells, domains), declared=declared)


def share_of(lost: int, trials: int) -> Share:
    """Return a share with its interval. Without trials, the interval is 0 to 1."""
    low, high = wilson(lost, trials)
    return Share(lost=lost, trials=trials, value=lost / trials if trials else math.nan, low=low, high=high)


def wilson(lost: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, always between 0 and 1; without trials, it is 0 to 1.

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if not trials:
        return 0.0, 1.0
    share, squared = lost / trials, _DEVIATIONS**2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    half = _DEVIATIONS / (1 + squared / trials) * math.sqrt(share * (1 - share) / trials + squared / (4 * trials**2))
    low = 0.0 if lost == 0 else max(0.0, middle - half)
    return low, 1.0 if lost == trials else min(1.0, middle + half)


def judged(trials: Sequence[TrialFacts]) -> list[TrialFacts]:
    """Return the finished trials. The ending of a failed, cut short or interrupted trial says nothing about its settings."""
    return [trial for trial in trials if trial.ending in _JUDGED]


def collapse_map(trials: Sequence[TrialFacts], *, logarithmic: frozenset[str] = frozenset()) -> tuple[Cell, ...]:
    """Return a cell for each setting of each parameter that varied, in the order of the configurations."""
    kept = judged(trials)
    return tuple(
        cell
        for name in varied(kept)
        for cell in _cells(settings_of(name, kept, is_log=name in logarithmic))
        if cell.others.trials
    )


def lost_share(trials: Sequence[TrialFacts]) -> Share:
    """Return the share of the trials that collapsed or diverged."""
    return share_of(sum(trial.ending in FAULTY for trial in trials), len(trials))


def suggest_cuts(cells: Sequence[Cell], domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """Return narrower domains, by parameter, without the settings that are worse than the others.

    A range loses only its ends. A parameter keeps at least one setting. If a parameter of an option is to blame, the option
    itself stays.
    """
    by_name: dict[str, list[Cell]] = {}
    for cell in cells:
        by_name.setdefault(cell.setting.name, []).append(cell)
    changed: dict[str, Domain] = {}
    for name in sorted(by_name, key=lambda path: -path.count(".")):
        cells_of_name = [_without_blamed(cell, cells) for cell in by_name[name]]
        top = name.split(".")[0]
        before = changed.get(top, domains.get(top))
        if before is not None and any(cell.is_worse for cell in cells_of_name):
            after = _replace(top, before, name, cells_of_name)
            if after != before:
                changed[top] = after
    return changed


def is_left(setting: TriedSetting, domains: Mapping[str, Domain]) -> bool:
    """Return whether narrower domains still have a setting: one of its values, or a number inside its range."""
    domain = next((inner for name, inner in leaves(domains) if name == setting.name), None)
    if isinstance(domain, Conditional):
        domain = domain.domain
    if isinstance(domain, OptionChoice):
        return any(option in setting.values for option, _ in domain.options)
    if isinstance(domain, IntRange | FloatRange):
        if setting.low is None or setting.high is None:
            return any(domain.low <= float(value) <= domain.high for value in setting.values)
        return max(domain.low, setting.low) < min(domain.high, setting.high)
    values = domain.values if isinstance(domain, Choice) else (domain.value,) if isinstance(domain, Fixed) else ()
    if setting.low is None or setting.high is None:
        return any(value in setting.values for value in values)
    return any(setting.low < float(value) <= setting.high for value in values)


def yaml_lines(cuts: Mapping[str, Domain], parameters: Mapping[str, Parameter]) -> str:
    """Return domains as lines of the section `space` of a space file, to paste over the old lines."""
    lines = [f"  {name}: {domain_as_yaml(domain, parameters.get(name))}" for name, domain in cuts.items()]
    return "\n".join(["space:", *lines])


def _without_blamed(cell: Cell, cells: Sequence[Cell]) -> Cell:
    """Return an option's cell without the trials that worse settings of the option's own parameters explain."""
    below = tuple(f"{cell.setting.name}.{value}." for value in cell.setting.values)
    blamed = {
        trial.number
        for other in cells
        if below and other.is_worse and other.setting.name.startswith(below)
        for trial in other.setting.trials
    }
    if not blamed:
        return cell
    return replace(cell, share=lost_share([trial for trial in cell.setting.trials if trial.number not in blamed]))


def _cells(settings: Sequence[TriedSetting]) -> list[Cell]:
    shares = [lost_share(setting.trials) for setting in settings]
    lost, trials = sum(share.lost for share in shares), sum(share.trials for share in shares)
    return [
        Cell(setting=setting, share=share, others=share_of(lost - share.lost, trials - share.trials))
        for setting, share in zip(settings, shares, strict=True)
    ]


def _replace(path: str, domain: Domain, name: str, cells: Sequence[Cell]) -> Domain:
    """Return the domain at `path` after cutting the parameter `name`, which is at `path` or belongs to one of its options."""
    if path == name:
        return _cut(domain, cells)
    if not isinstance(domain, OptionChoice):
        return domain
    options = []
    for option, parameters in domain.options:
        below = f"{path}.{option}."
        changed = {
            parameter: _replace(f"{below}{parameter}", inner, name, cells) if name.startswith(below) else inner
            for parameter, inner in parameters.items()
        }
        options.append((option, changed))
    return OptionChoice(tuple(options))


def _cut(domain: Domain, cells: Sequence[Cell]) -> Domain:
    if isinstance(domain, Conditional):
        inner = _cut(domain.domain, cells)
        assert not isinstance(inner, OptionChoice | Conditional)  # a cut keeps the type of a domain
        return replace(domain, domain=inner)
    worse = {value for cell in cells if cell.is_worse for value in cell.setting.values}
    if isinstance(domain, OptionChoice):
        options = tuple(option for option in domain.options if option[0] not in worse)
        return OptionChoice(options) if options else domain
    if isinstance(domain, Choice):
        values = tuple(value for value in domain.values if value not in worse)
        return domain if not values else Fixed(values[0]) if len(values) == 1 else Choice(values)
    if isinstance(domain, IntRange | FloatRange):
        return _cut_range(domain, cells)
    return domain


def _cut_range(domain: IntRange | FloatRange, cells: Sequence[Cell]) -> Fixed | IntRange | FloatRange:
    ordered = sorted(cells, key=_lowest)
    is_worse = [cell.is_worse for cell in ordered]
    if all(is_worse):
        return domain
    first = is_worse.index(False)
    last = len(is_worse) - 1 - is_worse[::-1].index(False)
    low: float = domain.low if first == 0 else _border(ordered[first - 1], ordered[first])
    high: float = domain.high if last == len(ordered) - 1 else _border(ordered[last], ordered[last + 1])
    if isinstance(domain, IntRange):
        low = domain.low + math.ceil((low - domain.low) / domain.step) * domain.step
        high = domain.low + math.floor((high - domain.low) / domain.step) * domain.step
        if low > high:
            return domain
        return Fixed(int(low)) if low == high else replace(domain, low=int(low), high=int(high))
    if domain.step is not None:
        steps = (domain.high - domain.low) / domain.step
        low = domain.low + math.ceil((low - domain.low) / domain.step - 1e-9) * domain.step
        high = domain.low + min(steps, math.floor((high - domain.low) / domain.step + 1e-9)) * domain.step
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    if low > high:
        return domain
    return Fixed(low) if low == high else replace(domain, low=low, high=high)


def _lowest(cell: Cell) -> float:
    setting = cell.setting
    return float(setting.values[0]) if setting.low is None else setting.low


def _border(below: Cell, above: Cell) -> float:
    """Return where one range ends and the next begins; between two single values, return the one to keep."""
    if below.setting.high is not None:
        return below.setting.high
    return float((above if below.is_worse else below).setting.values[0])
