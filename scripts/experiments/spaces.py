"""Configurations as trees in the form of a space file: merge a change into one, and let tuner read it like any space."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.remedies.catalogue import Tree


def merged(base: Tree, change: Tree) -> dict[str, Any]:
    """Return the base with a change. A change to one parameter of an option keeps the option's other parameters."""
    tree = dict(base)
    for name, value in change.items():
        tree[name] = _merged_value(tree.get(name), value)
    return tree


def _merged_value(old: Any, new: Any) -> Any:
    old_option, old_parameters = _option(old)
    new_option, new_parameters = _option(new)
    if new_option is None or new_option != old_option:
        return new
    return {new_option: merged(old_parameters, new_parameters)}


def _option(value: Any) -> tuple[str | None, Tree]:
    """Return the option that a value names and its parameters, or None if the value is not an option."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping):
        ((name, parameters),) = value.items()
        return str(name), parameters or {}
    return None, {}


def replaced(tree: Any, placeholder: str, word: str) -> Any:
    """Return the tree with every placeholder, as key or value, replaced by a word."""
    if isinstance(tree, Mapping):
        return {replaced(key, placeholder, word): replaced(value, placeholder, word) for key, value in tree.items()}
    return word if tree == placeholder else tree


def names(tree: Any, placeholder: str) -> bool:
    """Return whether the tree contains a placeholder."""
    if isinstance(tree, Mapping):
        return any(names(key, placeholder) or names(value, placeholder) for key, value in tree.items())
    return bool(tree == placeholder)


def make_space(task: str, data: Tree, parameters: Tree) -> Any:
    """Return tuner's Space of one configuration. Raises SpaceError if tuner refuses it."""
    from tuner.space.load import load_space

    document = {"task": task, "data": dict(data), "search": {"trials": 1}, "space": dict(parameters)}
    with tempfile.TemporaryDirectory(prefix="tuner-remedies-") as folder:
        path = Path(folder, "space.yaml")
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1))  # JSON is valid YAML
        return load_space(str(path))


def only_configuration(space: Any) -> dict[str, Any]:
    """Return the configuration of a space that has one value for every parameter."""
    from tuner.samplers.random import RandomSampler

    return dict(RandomSampler(space.parameters, seed=0).ask(0))


def in_force(tree: Tree, inputs: str) -> dict[str, Any]:
    """Return the tree without parameters that have no effect beside the others, such as layer_dropout with one layer."""
    from tuner.space.parameters import PARAMETERS

    known = PARAMETERS["sequence" if inputs == "sequence" else "text"]
    kept = {}
    for name, value in tree.items():
        need = getattr(known.get(name), "need", None)
        if need is None or tree.get(need.name, getattr(known[need.name], "default", 0)) >= need.least:
            kept[name] = value
    return kept


def fixed_part(domains: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a space fixes at a value other than the default, as a space file writes them.

    `known` holds the parameters that the domains belong to.
    """
    from tuner.space.domains import Fixed, OptionChoice

    tree: dict[str, Any] = {}
    for name, domain in domains.items():
        if isinstance(domain, Fixed) and domain.value != getattr(known.get(name), "default", None):
            tree[name] = domain.value
        elif isinstance(domain, OptionChoice) and len(domain.options) == 1:
            ((option, nested),) = domain.options
            chosen = fixed_part(nested, known[name].options[option].parameters)
            if chosen or option != known[name].default:
                tree[name] = {option: chosen}
    return tree
