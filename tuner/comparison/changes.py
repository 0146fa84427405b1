"""Differences between two spaces, configurations, data sets or environments. A row has a name, A's value and B's value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.show_value import show_yaml
from tuner.space.domains import Domain, OptionChoice, searched_parameters
from tuner.space.load import Space
from tuner.space.sections import SECTIONS
from tuner.space.show_domain import domain_in_words

Change = dict[str, Any]
_DIGEST = 12  # characters of a fingerprint, enough for a person to compare


def space_changes(a: Space, b: Space) -> list[Change]:
    """Return setting, a, b and change for every setting and domain that differs, after defaults are filled in.

    `change` is "added" if only B searches over the hyperparameter, "removed" if only A does, otherwise "changed". A value is
    None if that space has no option with the parameter.
    """
    settings_a, settings_b = dict(_settings(a)), dict(_settings(b))
    searched_a, searched_b = _searched(a), _searched(b)
    rows = []
    for name in dict.fromkeys((*settings_a, *settings_b)):
        value_a, value_b = settings_a.get(name), settings_b.get(name)
        if value_a != value_b:
            is_in_a, is_in_b = name in searched_a, name in searched_b
            change = "changed" if is_in_a == is_in_b else "added" if is_in_b else "removed"
            rows.append({"setting": name, "a": value_a, "b": value_b, "change": change})
    return rows


def configuration_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return parameter, a and b for every value that differs between two configurations, None for a missing one."""
    return [{"parameter": name, "a": value_a, "b": value_b} for name, value_a, value_b in _differing(a, b)]


def environment_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return what, a and b for versions, machines, revision and the like that differ between two `environment.json`."""
    facts_a, facts_b = _environment_facts(a), _environment_facts(b)
    return [{"what": name, "a": value_a, "b": value_b} for name, value_a, value_b in _differing(facts_a, facts_b)]


def data_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return what, a and b for row counts, fingerprints and label sets that differ.

    Takes the `data` of two `environment.json`; a bundle has labels and fingerprints only. Fingerprints are shortened.
    """
    labels_a, labels_b = a["labels"], b["labels"]
    facts = [_data_facts(data, is_by_split="sources" in a and "sources" in b) for data in (a, b)]
    rows = [{"what": name, "a": value_a, "b": value_b} for name, value_a, value_b in _differing(*facts)]
    only_a = [label for label in labels_a if label not in labels_b]
    only_b = [label for label in labels_b if label not in labels_a]
    if only_a or only_b:
        rows.append({"what": "labels of one only", "a": ", ".join(only_a) or None, "b": ", ".join(only_b) or None})
    return rows


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*a, *b)):
        if a.get(name) != b.get(name):
            yield name, a.get(name), b.get(name)


# --- spaces ---------------------------------------------------------------------------------------------------------


def _settings(space: Space) -> Iterator[tuple[str, str]]:
    yield "task", space.task
    for section in SECTIONS:
        for name, value in getattr(space, section).model_dump().items():
            yield f"{section}.{name}", ", ".join(value) if isinstance(value, tuple) else _whole(value)
    for number, setting in enumerate(space.first):
        yield from ((f"first[{number}].{name}", _whole(value)) for name, value in setting.items())
    yield from _domains(space.parameters, prefix="space.")


def _whole(value: Any) -> str:
    """Return a value as a person reads it, but not cut: long paths may differ in their ends."""
    return show_yaml(value, is_whole=True)


def _domains(domains: Mapping[str, Domain], prefix: str) -> Iterator[tuple[str, str]]:
    for name, domain in domains.items():
        yield f"{prefix}{name}", domain_in_words(domain)
        if isinstance(domain, OptionChoice):
            for option, parameters in domain.options:
                yield from _domains(parameters, prefix=f"{prefix}{name}.{option}.")


def _searched(space: Space) -> set[str]:
    return {f"space.{name}" for name in searched_parameters(space.parameters)}


# --- data and environment -------------------------------------------------------------------------------------------


def _environment_facts(environment: Mapping[str, Any]) -> dict[str, Any]:
    git = environment.get("git") or {}
    revision = f"{git['revision'][:_DIGEST]}{' with changes' if git.get('has_changes') else ''}" if git else None
    machines = {f"machines: {name}": value for name, value in environment.get("machines", {}).items()}
    return {
        **environment.get("versions", {}),
        "git revision": revision,
        "platform": environment.get("platform"),
        **machines,
    }


def _data_facts(data: Mapping[str, Any], *, is_by_split: bool) -> dict[str, Any]:
    """Return fingerprints, and row counts if both sides have them by split."""
    fingerprints = data.get("fingerprints", {})
    if not is_by_split:
        return {"fingerprints": ", ".join(sorted(digest[:_DIGEST] for digest in fingerprints.values()))}
    rows = {f"rows of {split}": count for split, count in data["rows"].items()}
    return rows | {
        f"fingerprint of {name}": fingerprints.get(uri, "")[:_DIGEST] for name, uri in data["sources"].items()
    }
