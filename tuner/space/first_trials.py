"""Read `first`: the settings that a search tries before it draws any, such as one that did well on other data.

    first: {learning_rate: 5e-3, clipping: {norm: {threshold: 1}}}      one setting, or a list of them

Each value must be one that the parameter may take in the section `space`. What a setting leaves open is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import did_you_mean
from tuner.show_value import show_yaml
from tuner.space.assignment import yaml_value
from tuner.space.configuration import Configuration, Value, is_finite_number
from tuner.space.counting import count_values, value_at
from tuner.space.document import AddFault, Key, dotted
from tuner.space.domains import Choice, Conditional, Domain, Fixed, OptionChoice, Single, ends
from tuner.space.parameters import PARAMETERS
from tuner.space.show_domain import domain_in_words
from tuner.space.task import Inputs
from tuner.space.unknown_names import unknown_parameter

KEY = "first"
SUMMARY = "The setting of the first trial, or a list of settings for the first trials. What it leaves open is drawn."


@dataclass(frozen=True)
class FirstTrials:
    """The first settings, as flat configurations that need not be complete.

    `tree` is the section without the values that the space no longer allows; `notes` name those.
    """

    settings: tuple[Configuration, ...]
    tree: Any
    notes: tuple[str, ...]


def read_first(
    raw: Any,
    domains: Mapping[str, Domain],
    inputs: Inputs,
    changed: Collection[str],
    auto: Collection[str],
    add_fault: AddFault,
) -> FirstTrials:
    """Read the section against the domains of a space, and pass each fault to `add_fault`.

    If the domain of a parameter in `changed` excludes a value, that is no fault: the value is left out, and a note says so.
    The parameters in `auto` are left to the search, so no value of them is possible here.
    """
    reader = _Reader(inputs, changed, auto, add_fault)
    domains = {name: domain for name, domain in domains.items() if name not in auto}
    if isinstance(raw, list):
        items = [reader.read_setting(item, domains, (KEY, index)) for index, item in enumerate(raw)]
        kept = [(setting, tree) for setting, tree in items if setting]
        return FirstTrials(
            tuple(setting for setting, _ in kept), [tree for _, tree in kept] or None, tuple(reader.notes)
        )
    setting, tree = reader.read_setting({} if raw is None else raw, domains, (KEY,))
    return FirstTrials((setting,) if setting else (), tree or None, tuple(reader.notes))


@dataclass
class _Reader:
    inputs: Inputs
    changed: Collection[str]
    auto: Collection[str]
    add_fault: AddFault
    notes: list[str] = field(default_factory=list)

    def read_setting(
        self, raw: Any, domains: Mapping[str, Domain], key: Key
    ) -> tuple[dict[str, Value], dict[str, Any]]:
        """Return a flat configuration, and the tree of what it holds."""
        if not isinstance(raw, dict):
            self.add_fault(
                key, f"{show_yaml(raw)} is not a setting", "write one value per parameter, such as {hidden: 64}"
            )
            return {}, {}
        setting: dict[str, Value] = {}
        tree = {}
        for name, value in raw.items():
            if name not in PARAMETERS[self.inputs]:
                self.add_fault((*key, name), *unknown_parameter(name, PARAMETERS[self.inputs], ("space",), self.inputs))
                continue
            before = len(setting)
            kept = self._read_value(name, value, domains.get(name), (*key, name), name, setting)
            if len(setting) > before:
                tree[name] = kept
        return setting, tree

    def _read_value(
        self, path: str, raw: Any, domain: Domain | None, key: Key, name: str, setting: dict[str, Value]
    ) -> Any:
        """Put the values at `key` into the flat setting, and return the tree of those that the domain allows."""
        domain = domain.domain if isinstance(domain, Conditional) else domain
        if not isinstance(domain, OptionChoice):
            value = None if domain is None else value_in(domain, raw)
            if value is None:
                self._exclude(path, raw, domain, key, name)
            else:
                setting[path] = value
            return raw
        option, own = next(iter(raw.items())) if isinstance(raw, dict) and len(raw) == 1 else (raw, None)
        options = dict(domain.options)
        if not isinstance(option, str) or option not in options:
            self._exclude(path, option, domain, key, name)
            return raw
        setting[path] = option
        if own is None:
            return option
        return self._read_own(path, option, own, options[option], key, name, setting)

    def _read_own(
        self,
        path: str,
        option: str,
        own: Any,
        domains: Mapping[str, Domain],
        key: Key,
        name: str,
        setting: dict[str, Value],
    ) -> Any:
        """Read the parameters of an option."""
        if not isinstance(own, dict):
            self.add_fault((*key, option), f"{show_yaml(own)} is not a mapping of parameters", f"write {option} alone")
            return option
        tree = {}
        for each, value in own.items():
            where, inner = (*key, option, each), f"{path}.{option}.{each}"
            if each not in domains:
                self.add_fault(where, f"unknown parameter {each!r}", did_you_mean(each, domains))
                continue
            before = len(setting)
            kept = self._read_value(inner, value, domains[each], where, name, setting)
            if len(setting) > before:
                tree[each] = kept
        return {option: tree} if tree else option

    def _exclude(self, path: str, raw: Any, domain: Domain | None, key: Key, name: str) -> None:
        """Note a value that a changed domain excludes, or report one that its domain never allowed."""
        without = "is auto" if name in self.auto else "does not apply"
        allowed = without if domain is None else f"is {domain_in_words(domain)}"
        if name in self.changed:
            self.notes.append(f"{dotted(key)} is not {yaml_value(raw)} any more, because space.{path} {allowed}")
        else:
            what = f"{show_yaml(raw)} is not possible, because space.{path} {allowed}"
            self.add_fault(key, what, f"remove it here, or allow it in space.{path}")


def value_in(domain: Single, raw: Any) -> Value | None:
    """Return the value of a domain that a value from YAML stands for, or None if the domain does not have it."""
    if isinstance(domain, Fixed | Choice):
        values = (domain.value,) if isinstance(domain, Fixed) else domain.values
        return next((value for value in values if _equal(value, raw)), None)
    low, high = ends(domain)
    if not is_finite_number(raw) or not low <= raw <= high:
        return None
    count = count_values(domain)
    if count is None:
        return float(raw)
    step = domain.step or 1
    return next((value for value in (value_at(domain, round((raw - low) / step)),) if _equal(value, raw)), None)


def _equal(value: Value, raw: Any) -> bool:
    """Return whether two values are the same number, text or truth; 1 is not true."""
    if is_finite_number(value) and is_finite_number(raw):
        return float(value) == float(raw)
    return json.dumps(value) == json.dumps(raw)
