"""What each setting is now, and whether an advised one would bring anything that is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.diagnosis.facts.evidence import Evidence
from tuner.errors import SpaceError
from tuner.space.assignment import assignment, yaml_value
from tuner.space.domain_reading import Setting, read_domains
from tuner.space.domains import (
    Choice,
    Conditional,
    Domain,
    Fixed,
    FloatRange,
    IntRange,
    OptionChoice,
    ends,
)
from tuner.space.load import Space, read_space
from tuner.space.options import Number, Option, Options, Parameter
from tuner.space.parameters import PARAMETERS
from tuner.space.show_domain import domain_as_tree
from tuner.space.task import Inputs, Task

_STAND_IN = {"binary": "label: label", "multiclass": "label: label", "multilabel": "labels: labels"}

_FEW = 20  # up to here, every whole number is round


@dataclass(frozen=True, kw_only=True)
class KnownSettings:
    """The settings of one model. `domains` is what its space offers or, without a space, the values of its configuration.

    For a file of predictions nothing is known: `domains` is empty.
    """

    task: Task
    inputs: Inputs
    configuration: Mapping[str, Any]
    domains: Mapping[str, Domain]
    space: Space | None
    max_epochs: float | None

    @classmethod
    def of(cls, evidence: Evidence) -> KnownSettings:
        """Return what the evidence knows of the settings."""
        configuration, space = evidence.configuration or {}, evidence.space
        inputs: Inputs = "sequence" if configuration and "tokens" not in configuration else "text"
        inputs = space.inputs if space is not None else inputs
        domains = space.parameters if space is not None else _fixed(configuration, PARAMETERS[inputs])
        return cls(
            task=evidence.task,
            inputs=inputs,
            configuration=configuration,
            domains=domains,
            space=space,
            max_epochs=evidence.max_epochs,
        )

    def value(self, name: str) -> Any:
        """Return the model's value of a parameter; its default if the configuration is older than the parameter."""
        parameter = PARAMETERS[self.inputs].get(name)
        return self.configuration.get(name, getattr(parameter, "default", None))

    def ends(self, name: str) -> tuple[float, float] | None:
        """Return the least and the greatest number that a parameter can have: "optimiser.adamw.weight_decay"."""
        domain = self._domain(name)
        return None if domain is None or isinstance(domain, OptionChoice) else ends(_inner(domain))

    def options(self, name: str) -> tuple[str, ...]:
        """Return the options that a parameter can have; none if that is not known."""
        domain = self.domains.get(name)
        return tuple(option for option, _ in domain.options) if isinstance(domain, OptionChoice) else ()

    def option_with(self, name: str, option: str, **values: Any) -> dict[str, Any]:
        """Return an option as a space file writes it, with some of its parameters changed and the others as they are."""
        declared = PARAMETERS[self.inputs][name]
        domain = self.domains.get(name)
        parameters = dict(domain.options).get(option, {}) if isinstance(domain, OptionChoice) else {}
        kept = domain_as_tree(OptionChoice(((option, parameters),)), declared)
        return {option: {**(kept[option] if isinstance(kept, dict) else {}), **values}}

    def search(self, name: str) -> Any:
        """Return a setting of the search: "patience". None if it is not known."""
        if self.space is not None:
            return getattr(self.space.search, name)
        return self.max_epochs if name == "max_epochs" else None

    def lacks(self, key: str, value: Any) -> bool:
        """Return whether `--set key=value` brings any value that is not there: whether it equals or narrows what is there."""
        section, _, name = key.partition(".")
        if section != "space":
            return self.space is None or getattr(getattr(self.space, section), name) != value
        domain, advised = self.domains.get(name), self._read(name, value)
        if advised is None:
            return False  # the inputs have no such parameter
        return domain is None or not is_offered(_only_given(advised, value), domain)

    def follows(self, key: str, value: Any) -> bool:
        """Return whether the model has been trained with the setting already; True if that is not known."""
        section, _, name = key.partition(".")
        advised = self._read(name, value) if section == "space" else None
        own = _fixed(self.configuration, PARAMETERS[self.inputs]).get(name)
        return advised is None or own is None or is_offered(_only_options(own), _only_options(advised))

    def accept(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a space with these settings loads, for the task and the inputs."""
        text = self.space.text if self.space is not None else _stand_in(self.task, self.inputs, self.configuration)
        try:
            read_space(text, [assignment(key, value) for key, value in settings.items()])
        except SpaceError:
            return False
        return True

    def _read(self, name: str, value: Any) -> Domain | None:
        """Return an advised value as a domain; None if the inputs have no such parameter, or it has no such value."""
        declared = PARAMETERS[self.inputs].get(name)
        if declared is None:
            return None
        setting = Setting(task=None, inputs=self.inputs)
        return read_domains({name: value}, {name: _always(declared)}, ("space",), _ignore, setting)[name]

    def _domain(self, path: str) -> Domain | None:
        """Return the domain of a parameter, or of a parameter of an option; None if it is not known or not offered."""
        domains, parts = self.domains, path.split(".")
        while len(parts) > 2:
            holder = domains.get(parts[0])
            inner = dict(holder.options).get(parts[1]) if isinstance(holder, OptionChoice) else None
            if inner is None:
                return None
            domains, parts = inner, parts[2:]
        return domains.get(parts[0]) if len(parts) == 1 else None


def is_offered(new: Domain, old: Domain) -> bool:
    """Return whether every value of `new` lies within `old`: among its options, or between its ends."""
    new, old = _inner(new), _inner(old)
    if isinstance(new, OptionChoice) or isinstance(old, OptionChoice):
        return isinstance(new, OptionChoice) and isinstance(old, OptionChoice) and _are_offered(new, old)
    wanted, there = _values(new), _values(old)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in (*wanted, *there)):
        return bool(min(there) <= min(wanted) and max(wanted) <= max(there))
    return set(wanted) <= set(there)


def round_up(number: float, *, most: float = math.inf) -> int:
    """Return a round whole number that is not below `number`: 7 for 6.1, 13 for 12.2, 70 for 67; at most `most`."""
    if number >= most:
        return round(most)
    unit = 1.0 if number < _FEW else 5.0 * 10 ** max(math.floor(math.log10(number)) - 2, 0)
    return round(min(math.ceil(number / unit - 1e-9) * unit, most))


def _are_offered(new: OptionChoice, old: OptionChoice) -> bool:
    there = dict(old.options)
    return all(
        option in there
        and all(
            name in there[option] and is_offered(domain, there[option][name]) for name, domain in parameters.items()
        )
        for option, parameters in new.options
    )


def _always(parameter: Parameter) -> Parameter:
    """Return a parameter without the condition under which it applies."""
    return replace(parameter, need=None) if isinstance(parameter, Number) else parameter


def _only_options(domain: Domain) -> Domain:
    """Return a choice of options without their parameters."""
    return OptionChoice(tuple((name, {}) for name, _ in domain.options)) if isinstance(domain, OptionChoice) else domain


def _only_given(domain: Domain, value: Any) -> Domain:
    """Return a domain without the defaults of options: an option that is only named is offered with any parameters."""
    if not isinstance(domain, OptionChoice):
        return domain
    written = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Mapping)]
    given = {option: set(parameters or ()) for item in written for option, parameters in item.items()}
    return OptionChoice(
        tuple(
            (option, {name: inner for name, inner in parameters.items() if name in given.get(option, ())})
            for option, parameters in domain.options
        )
    )


def _inner(domain: Domain) -> Domain:
    return domain.domain if isinstance(domain, Conditional) else domain


def _values(domain: Domain) -> Sequence[Any]:
    """Return the values of a domain; of a range, its ends."""
    if isinstance(domain, Choice):
        return domain.values
    if isinstance(domain, IntRange | FloatRange):
        return domain.low, domain.high
    assert isinstance(domain, Fixed)
    return (domain.value,)


def _fixed(
    configuration: Mapping[str, Any], parameters: Mapping[str, Parameter], prefix: str = ""
) -> dict[str, Domain]:
    """Return a flat configuration as domains of one value each."""
    domains: dict[str, Domain] = {}
    for name, parameter in parameters.items():
        value = configuration.get(f"{prefix}{name}")
        if value is None:
            continue
        if isinstance(parameter, Options):
            option = parameter.options.get(str(value), Option(summary=""))
            inner = _fixed(configuration, option.parameters, f"{prefix}{name}.{value}.")
            domains[name] = OptionChoice(((str(value), inner),))
        else:
            domains[name] = Fixed(value)
    return domains


def _stand_in(task: Task, inputs: Inputs, configuration: Mapping[str, Any]) -> str:
    """Return the least space of a task, with the word vectors of the configuration, because they restrict the tokens."""
    path = configuration.get("embedding.file.path")
    vectors = "" if path is None else f"space: {{embedding: {{file: {{path: {yaml_value(path, is_inside=True)}}}}}}}\n"
    return (
        f"task: {task}\ndata: {{train: rows, {inputs}: {inputs}, {_STAND_IN[task]}}}\nsearch: {{trials: 1}}\n{vectors}"
    )


def _ignore(*_fault: Any) -> None:
    """Take no notice of a fault: `accept` finds it too."""
